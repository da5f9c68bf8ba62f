"""The shared core: everything between a photo and its reading that needs no deep-learning framework.

Imports numpy and OpenCV only (and an inference runtime where a model is run), so that the same code serves
training, the command line and the server.
"""
