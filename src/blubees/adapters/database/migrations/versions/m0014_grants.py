"""What is known of OAuth grants, and questions to people."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "grants",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("connection", sa.String(63), primary_key=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("renew_at", sa.BigInteger, nullable=False),
        sa.Column("granted_at", sa.BigInteger, nullable=False),
        sa.Column("renewed_at", sa.BigInteger, nullable=False),
        sa.Column("dead_at", sa.BigInteger, nullable=False),
        sa.Column("kept", sa.Text, nullable=False),
        sa.Column("problem", sa.String(20), nullable=False),
        sa.Column("holder", sa.String(32), nullable=False),
        sa.Column("held_until", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "connection"], ["connections.tenant", "connections.name"], name="grant_connection", ondelete="CASCADE"
        ),
    )
    op.create_index("grants_by_renewal", "grants", ["renew_at"])
    op.create_table(
        "consents",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("mark", sa.String(64), primary_key=True),
        sa.Column("connection", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("asked_by", sa.String(128), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "connection"], ["connections.tenant", "connections.name"], name="consent_connection", ondelete="CASCADE"
        ),
    )
    op.create_index("consents_by_expiry", "consents", ["expires_at"])
