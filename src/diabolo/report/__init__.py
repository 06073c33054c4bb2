"""What a person looks at: the pictures of a training, and its figures beside yardsticks. Loads no TensorFlow."""
