"""Training of PanopticDepth."""
