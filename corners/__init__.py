"""The network that looks at a display from close by and tells how far its corners are off."""
