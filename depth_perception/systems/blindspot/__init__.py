"""Eliminating the Blind Spot: depth of panoramas from self-supervised disparity."""
