"""What a published version pins of the connectors that it uses."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Versions from before use none."""
    op.add_column("flow_versions", sa.Column("connectors", sa.Text, nullable=False, server_default=""))
