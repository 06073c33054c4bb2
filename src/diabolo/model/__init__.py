"""What a training leaves: a network with its weights, at work without TensorFlow, and its file."""
