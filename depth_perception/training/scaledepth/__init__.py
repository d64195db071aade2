"""Training of ScaleDepth."""
