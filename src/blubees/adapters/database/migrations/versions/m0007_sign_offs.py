"""Sign-offs and what people answered."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "sign_offs",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("run", sa.String(27), primary_key=True),
        sa.Column("path", sa.String(640), primary_key=True),
        sa.Column("question", sa.String(64), nullable=False),
        sa.Column("notices", sa.Integer, nullable=False),
        sa.Column("armed_at", sa.BigInteger, nullable=False),
        sa.Column("notice_due", sa.BigInteger, nullable=False),
    )
    op.create_index("sign_offs_by_notice", "sign_offs", ["notice_due"])
    op.create_table(
        "sign_off_answers",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("run", sa.String(27), primary_key=True),
        sa.Column("path", sa.String(640), primary_key=True),
        sa.Column("question", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(128), primary_key=True),
        sa.Column("choice", sa.String(10), nullable=False),
        sa.Column("answered_at", sa.BigInteger, nullable=False),
    )
