"""The server around the reader: HTTP in, readings out. Imports `reader` only, no training code and no framework."""
