"""Connectors that tenants imported, by action."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "connectors",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("source_version", sa.String(60), nullable=False),
        sa.Column("origin", sa.String(2000), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("actions", sa.Integer, nullable=False),
        sa.Column("triggers", sa.Integer, nullable=False),
        sa.Column("imported_at", sa.BigInteger, nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "connector_actions",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("connector", sa.String(63), primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("group_name", sa.String(200), nullable=False),
        sa.Column("effect", sa.String(20), nullable=False),
        sa.Column("method", sa.String(20), nullable=False),
        sa.Column("path", sa.String(500), nullable=False),
        sa.Column("deprecated", sa.Boolean, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "connector_forms",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("connector", sa.String(63), primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("packed", sa.LargeBinary, nullable=False),
    )
