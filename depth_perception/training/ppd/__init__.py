"""Pixel-Perfect Depth: frames and the diffusion target."""
