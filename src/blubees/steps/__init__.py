"""Step kinds: the contract, the book that finds them, one file per kind."""
