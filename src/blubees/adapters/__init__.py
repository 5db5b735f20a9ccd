"""One file per outside system; each fulfils one port. Only main builds them."""
