"""Alembic migrations, run by adapters/database.py. A published one is never changed."""
