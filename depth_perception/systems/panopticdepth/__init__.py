"""PanopticDepth."""
