"""Fakes of ports, for tests."""
