"""OmniDepth."""
