"""The same layers for training in Keras and for use in ONNX."""
