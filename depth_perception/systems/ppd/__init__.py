"""Pixel-Perfect Depth."""
