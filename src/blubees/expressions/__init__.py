"""Smart values: parse, compile, functions, limits. Pure: no clock, no I/O."""
