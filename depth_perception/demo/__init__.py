"""Demonstration: a bag is played into the real node, and its output is evaluated and plotted."""
