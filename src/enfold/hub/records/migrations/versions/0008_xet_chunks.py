"""The chunks that clients of the Xet protocol ask for, and the xorbs that hold them.

Revision: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and its index."""
    op.create_table(
        "xet_chunks",
        sa.Column("chunk_hash", sa.String(length=64), nullable=False),
        sa.Column("xorb_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["xorb_hash"], ["xorbs.hash"], name="fk_xet_chunks_xorb_hash", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("chunk_hash", "xorb_hash", name="pk_xet_chunks"),
    )
    op.create_index("ix_xet_chunks_xorb_hash", "xet_chunks", ["xorb_hash"], unique=False)


def downgrade() -> None:
    """Drop the table; it can be filled again from the files."""
    op.drop_table("xet_chunks")
