"""Secrets by field, under a key of their connection's; several versions of a tenant's key; keys that stay the same."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
_KEY = (["tenant", "key_version"], ["tenant", "version"])


def upgrade() -> None:
    """Make them, and take over what is sealed: vault/first_form.py opens it, and seals it anew at its first use."""
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    nothing = sa.text("''" if is_postgresql else "X''")
    if is_postgresql:
        for table in ("connections", "parked_runs", "tenant_keys"):
            op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")  # else their owner sees no row; built again after
    for name in ("minimum", "created_at", "wrapped_at"):
        kind = sa.Integer if name == "minimum" else sa.BigInteger
        op.add_column("tenant_keys", sa.Column(name, kind, nullable=False, server_default="0"))
    with op.batch_alter_table("connections") as batch:
        batch.add_column(sa.Column("settings", sa.Text, nullable=False, server_default="{}"))
        batch.add_column(sa.Column("version", sa.BigInteger, nullable=False, server_default="1"))
        batch.add_column(sa.Column("changed_at", sa.BigInteger, nullable=False, server_default="0"))
        batch.add_column(sa.Column("sealed_at", sa.BigInteger, nullable=False, server_default="0"))
        batch.add_column(sa.Column("wrapped_key", sa.LargeBinary, nullable=False, server_default=nothing))
        batch.create_foreign_key("connection_key", "tenant_keys", *_KEY)
    with op.batch_alter_table("parked_runs") as batch:
        batch.alter_column("key_version", existing_type=sa.Integer, nullable=True)
    op.execute("UPDATE parked_runs SET key_version = NULL WHERE length(sealed_key) = 0")
    with op.batch_alter_table("parked_runs") as batch:
        batch.create_foreign_key("parked_key", "tenant_keys", *_KEY)
    op.create_table(
        "secret_fields",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("connection", sa.String(63), primary_key=True),
        sa.Column("field", sa.String(63), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("fingerprint", sa.String(12), nullable=False),
        sa.Column("last_four", sa.String(4), nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "connection"], ["connections.tenant", "connections.name"], name="field_connection", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "derived_keys",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("purpose", sa.String(40), primary_key=True),
        sa.Column("key_version", sa.Integer, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["tenant", "key_version"], ["tenant_keys.tenant", "tenant_keys.version"], name="derived_key"),
    )
    op.execute(
        "INSERT INTO secret_fields (tenant, connection, field, version, sealed, fingerprint, last_four, changed_at) "
        "SELECT tenant, name, CASE kind WHEN 'bearer' THEN 'token' WHEN 'basic' THEN 'password' "
        "WHEN 'signing_secret' THEN 'secret' ELSE 'key' END, 1, sealed, fingerprint, '', created_at FROM connections"
    )
    op.drop_column("connections", "sealed")
    op.drop_column("connections", "fingerprint")
