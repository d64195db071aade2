"""What the nodes publish: one class for each group of topics."""
