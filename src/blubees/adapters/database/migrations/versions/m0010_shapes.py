"""Of which runs receipts tell shapes."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add it."""
    op.add_column("tenant_settings", sa.Column("shapes", sa.String(10), nullable=False, server_default="failed"))
