"""OAuth 2 grants: how tokens are asked for, read, renewed and lost. In the control plane only; conduits see leased tokens."""
