"""ScaleDepth: photos, losses, parameter groups."""
