"""Which hosts a tenant's calls may reach."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add both lists: rules with spaces between."""
    for name in ("egress_allow", "egress_deny"):
        op.add_column("tenant_settings", sa.Column(name, sa.Text, nullable=False, server_default=""))
