"""Packing of messages: images, clouds, scans, instances."""
