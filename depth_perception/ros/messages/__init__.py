"""Building and packing of messages."""
