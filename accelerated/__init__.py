"""Training on an accelerator that two threads of numpy cannot feed: views are finished on it, by JAX.

Processes draw base views (geometry, exchanged digits, made pictures) into rings in shared memory; the accelerator keeps
tens of thousands of them and makes of each as many views as are wanted: moved a little, in another light, with the
anchors' targets. Keras runs on its JAX backend, TensorFlow is not needed: sets are packed into one file beforehand.
"""
