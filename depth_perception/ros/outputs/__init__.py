"""The topics of one node, one class for each group."""
