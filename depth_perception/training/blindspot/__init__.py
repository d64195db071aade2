"""The blind-spot VGG and OmniDepth: pairs, panoramas, their losses."""
