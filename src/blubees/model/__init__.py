"""Frozen nouns and errors. Standard library and msgspec only."""
