"""DA360: Depth Anything in 360 degrees."""
