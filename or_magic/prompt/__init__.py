"""What is sent: templates, values of Python as parts of a message, formats of answers."""
