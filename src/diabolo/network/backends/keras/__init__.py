"""Networks in Keras: built from layers, read from models, cut in two."""
