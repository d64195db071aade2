"""Training of PanoLite."""
