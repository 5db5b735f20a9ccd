"""Performing actions: an action is compiled once for a published flow, then performed by each run that comes to it.

compile.py first; then inputs → request.py → the third party → answers.py, and pages.py where a list comes in pages.
"""
