"""Training of PanDA."""
