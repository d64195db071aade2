"""Losses, augmentation, recipes and the trainer."""
