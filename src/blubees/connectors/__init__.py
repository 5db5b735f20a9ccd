"""How third parties are called: contract, caller."""
