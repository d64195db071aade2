"""The demonstration: a bag is played into the real node, and what comes out is judged and drawn."""
