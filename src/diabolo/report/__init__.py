"""Reports about a training: pictures, figures compared with simple methods, a diagnosis. Loads no TensorFlow."""
