"""Which run started a failed one anew."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
_IS_RETRY = sa.text("retry_of <> ''")


def upgrade() -> None:
    """Add it."""
    op.add_column("runs", sa.Column("retry_of", sa.String(27), nullable=False, server_default=""))
    op.create_index("runs_by_retried", "runs", ["tenant", "retry_of"], sqlite_where=_IS_RETRY, postgresql_where=_IS_RETRY)
