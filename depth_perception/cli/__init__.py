"""The ``depth-perception`` command line."""
