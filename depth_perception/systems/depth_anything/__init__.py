"""Depth Anything V2."""
