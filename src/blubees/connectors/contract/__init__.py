"""The contract of a connector: its file read into the noun (reader.py), and whether one is sound, whoever made it (check.py).

Called by connectors/catalogue.py, the importers and the tests. How to add a file: CONTRIBUTING.md.
"""
