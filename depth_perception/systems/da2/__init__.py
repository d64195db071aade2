"""DA2: Depth Anything in Any Direction."""
