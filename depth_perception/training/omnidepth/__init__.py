"""Training of OmniDepth."""
