"""What runs the training steps of networks that need no compiled program."""
