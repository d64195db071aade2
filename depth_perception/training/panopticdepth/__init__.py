"""PanopticDepth: frames, targets, losses."""
