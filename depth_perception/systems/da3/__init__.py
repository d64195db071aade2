"""Depth Anything 3, the monocular models."""
