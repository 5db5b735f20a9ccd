"""Where calls enter: Forge events, webhooks, the operator API; and who calls (identity)."""
