"""Proves the policy: controls and evidence. Enforces nothing."""
