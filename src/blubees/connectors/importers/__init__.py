"""Documents of third parties, made into connectors."""
