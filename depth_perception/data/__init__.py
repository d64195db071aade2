"""Data sets: synthetic worlds and readers of published ones."""
