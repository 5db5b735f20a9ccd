"""When a site said goodbye: keys that were made before are destroyed."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add it. Sites that are gone already said goodbye before this revision: their keys go, too."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY")  # else their owner sees no row; built again after
    op.add_column("tenants", sa.Column("gone_at", sa.BigInteger, nullable=False, server_default="0"))
    op.execute("UPDATE tenants SET gone_at = seen_at WHERE uninstalled")
