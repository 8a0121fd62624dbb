"""What is sent: templates, values of Python as parts of a message, what an answer shall be."""
