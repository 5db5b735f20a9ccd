"""One file per step kind, reached only through the book."""
