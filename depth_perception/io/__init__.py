"""Images, depth maps, clouds and videos on disk. Colours are RGB on this side of a codec."""
