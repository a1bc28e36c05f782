"""Repositories and accounts that came from the upstream hub, and who may read those that it keeps from others.

Revision: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the marks and the table."""
    for table in ("accounts", "repositories"):
        op.add_column(table, sa.Column("mirrored", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "mirror_readers",
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("account_id", _NUMBER, nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_mirror_readers_account_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("type", "folded", "account_id", name="pk_mirror_readers"),
    )
    op.create_index("ix_mirror_readers_account_id", "mirror_readers", ["account_id"])


def downgrade() -> None:
    """Take them away."""
    op.drop_table("mirror_readers")
    for table in ("repositories", "accounts"):
        op.drop_column(table, "mirrored")
