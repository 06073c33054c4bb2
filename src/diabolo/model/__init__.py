"""A trained model: how it runs without TensorFlow, and how it is stored in a file."""
