"""DAP: Depth Any Panoramas."""
