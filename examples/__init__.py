"""Examples, one folder each; every one is run by a test."""
