"""The first tables: tenants, flows, versions, connections, keys, runs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "tenants",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("environment_id", sa.String(200), nullable=False),
        sa.Column("environment_type", sa.String(20), nullable=False),
        sa.Column("cloud_id", sa.String(36), nullable=False),
        sa.Column("installation_id", sa.String(200), nullable=False),
        sa.Column("licence", sa.String(10), nullable=False),
        sa.Column("uninstalled", sa.Boolean, nullable=False),
        sa.Column("first_seen_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "flows",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("flow", sa.String(63), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("draft", sa.Text, nullable=False),
        sa.Column("live_version", sa.Integer, nullable=False),
        sa.Column("newest_version", sa.Integer, nullable=False),
        sa.Column("hook_token_hash", sa.String(64), nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "flow_versions",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("flow", sa.String(63), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("published_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "connections",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("hosts", sa.Text, nullable=False),
        sa.Column("user_name", sa.Text, nullable=False),
        sa.Column("parameter", sa.String(100), nullable=False),
        sa.Column("fingerprint", sa.String(12), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("key_version", sa.Integer, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "tenant_keys",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("run", sa.String(27), primary_key=True),
        sa.Column("flow", sa.String(63), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("deliveries", sa.Integer, nullable=False),
        sa.Column("receipt", sa.Text, nullable=False),
    )
    op.create_index("runs_by_flow", "runs", ["tenant", "flow", "run"])
    op.create_index("runs_by_time", "runs", ["run"])
