"""Composition: cli, supervisor, conduit, control plane. Alone in knowing every room."""
