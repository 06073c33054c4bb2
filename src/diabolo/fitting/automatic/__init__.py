"""What is chosen automatically: the number of latents, the optimizer."""
