"""Runs under way in the ledger: what was known of a run when it was accepted."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns; runs that are there have ended, after their first launch."""
    with op.batch_alter_table("runs") as table:
        table.add_column(sa.Column("stage", sa.Integer, nullable=False, server_default="1"))
        table.add_column(sa.Column("epoch", sa.BigInteger, nullable=False, server_default="0"))
        table.add_column(sa.Column("accepted", sa.Text, nullable=False, server_default=""))
    under_way = sa.text("outcome = 'accepted'")
    op.create_index("runs_under_way", "runs", ["epoch"], sqlite_where=under_way, postgresql_where=under_way)
