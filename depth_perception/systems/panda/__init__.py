"""PanDA: Depth Anything for panoramas."""
