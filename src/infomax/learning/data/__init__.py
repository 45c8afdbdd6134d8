"""What is seen: images, signals and pairs of them, as arrays."""
