"""What operators do: ledger of runs, tenants, connections."""
