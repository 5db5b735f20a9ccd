"""The catalogue: one YAML file a vendor, and beside it, where data can't say it, a Python twin with named hooks.

Read by connectors/catalogue.py. How to add one: CONTRIBUTING.md.
"""
