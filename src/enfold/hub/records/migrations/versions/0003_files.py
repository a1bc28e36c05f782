"""The tables of large files, links and what Xet knows of them.

Revision: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables and their indexes."""
    op.create_table(
        "large_files",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("named_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dead_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("sha256", name="pk_large_files"),
    )
    op.create_table(
        "scan_results",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scan_results"),
        sa.UniqueConstraint("content", name="uq_scan_results_content"),
    )
    op.create_table(
        "xorbs",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("blob_key", sa.Text(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("chunks", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("named_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dead_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("hash", name="pk_xorbs"),
    )
    op.create_table(
        "extents",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("blob_key", sa.Text(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["sha256"], ["large_files.sha256"], name="fk_extents_sha256", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sha256", "position", name="pk_extents"),
    )
    op.create_index("ix_extents_blob_key", "extents", ["blob_key"], unique=False)
    op.create_table(
        "xet_files",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["sha256"], ["large_files.sha256"], name="fk_xet_files_sha256", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hash", name="pk_xet_files"),
    )
    op.create_index("ix_xet_files_sha256", "xet_files", ["sha256"], unique=False)
    op.create_table(
        "xorb_owners",
        sa.Column("user_id", _NUMBER, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["hash"], ["xorbs.hash"], name="fk_xorb_owners_hash", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name="fk_xorb_owners_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "hash", name="pk_xorb_owners"),
    )
    op.create_index("ix_xorb_owners_hash", "xorb_owners", ["hash"], unique=False)
    op.create_table(
        "blob_facts",
        sa.Column("repository_id", _NUMBER, nullable=False),
        sa.Column("oid", sa.String(length=40), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("lfs_sha256", sa.String(length=64), nullable=True),
        sa.Column("lfs_size", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_blob_facts_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", "oid", name="pk_blob_facts"),
    )
    op.create_table(
        "links",
        sa.Column("repository_id", _NUMBER, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("by_id", _NUMBER, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["by_id"], ["accounts.id"], name="fk_links_by_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_links_repository_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["sha256"], ["large_files.sha256"], name="fk_links_sha256"),
        sa.PrimaryKeyConstraint("repository_id", "sha256", name="pk_links"),
    )
    op.create_index("ix_links_sha256", "links", ["sha256"], unique=False)
    op.create_table(
        "uploads",
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("repository_id", _NUMBER, nullable=False),
        sa.Column("user_id", _NUMBER, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_uploads_repository_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name="fk_uploads_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("uid", name="pk_uploads"),
    )
    op.create_index("ix_uploads_repository_id", "uploads", ["repository_id"], unique=False)
    op.create_index("ix_uploads_started_at", "uploads", ["started_at"], unique=False)
    op.create_table(
        "xet_terms",
        sa.Column("file_hash", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("xorb_hash", sa.String(length=64), nullable=False),
        sa.Column("first_chunk", sa.Integer(), nullable=False),
        sa.Column("end_chunk", sa.Integer(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["file_hash"], ["xet_files.hash"], name="fk_xet_terms_file_hash", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["xorb_hash"], ["xorbs.hash"], name="fk_xet_terms_xorb_hash"),
        sa.PrimaryKeyConstraint("file_hash", "position", name="pk_xet_terms"),
    )
    op.create_index("ix_xet_terms_xorb_hash", "xet_terms", ["xorb_hash"], unique=False)


def downgrade() -> None:
    """Drop the tables, and with them everything in them."""
    op.drop_table("xet_terms")
    op.drop_table("uploads")
    op.drop_table("links")
    op.drop_table("blob_facts")
    op.drop_table("xorb_owners")
    op.drop_table("xet_files")
    op.drop_table("extents")
    op.drop_table("xorbs")
    op.drop_table("scan_results")
    op.drop_table("large_files")
