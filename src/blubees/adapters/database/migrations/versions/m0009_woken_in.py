"""In which memory of the brokers a parked run was woken."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add it."""
    op.add_column("parked_runs", sa.Column("woken_in", sa.BigInteger, nullable=False, server_default="0"))
