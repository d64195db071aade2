"""Training of Pixel-Perfect Depth."""
