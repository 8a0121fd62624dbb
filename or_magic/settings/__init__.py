"""What can be set: parameters of the API, options of the program, and the layers that set them."""
