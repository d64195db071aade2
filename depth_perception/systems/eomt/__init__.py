"""EoMT, the Encoder-only Mask Transformer."""
