"""Credentials: sealing, leases, authorisation of a call."""
