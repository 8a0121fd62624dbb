"""Values of Python as parts of a message: one file for each kind of value. `converting` is the door."""
