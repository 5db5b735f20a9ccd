"""Field mappings: what a target field is given, as which type. Used by the `map` kind and flows/check_mapping.py. Pure."""
