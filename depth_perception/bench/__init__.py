"""Benchmarks: a plain way and ours, side by side in one run on one machine."""
