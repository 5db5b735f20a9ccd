"""Alembic migrations, run by adapters/database. A published one is never changed."""
