"""Signers: pure functions that put a signature into a call. Used by vault/lease.py and vault/grants."""
