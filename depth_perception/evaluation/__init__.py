"""Metrics, protocols, and the loop that evaluates a model on a data set."""
