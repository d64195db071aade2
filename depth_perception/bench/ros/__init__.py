"""Benchmarks of the running nodes."""
