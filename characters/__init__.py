"""The network that looks at each character of a line by itself, beside the one that reads the line as a whole."""
