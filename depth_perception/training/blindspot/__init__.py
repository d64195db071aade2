"""Training of the blind-spot VGG; OmniDepth uses its data and validation too."""
