"""Networks in ONNX: built node by node, for use without TensorFlow."""
