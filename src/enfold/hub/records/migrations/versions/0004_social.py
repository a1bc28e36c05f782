"""The tables of discussions, likes and collections.

Revision: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables and their indexes."""
    op.create_table(
        "collections",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("account_id", _NUMBER, nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("theme", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("upvotes", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_collections_account_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_collections"),
        sa.UniqueConstraint("account_id", "slug", name="uq_collections_account_id_slug"),
        sa.UniqueConstraint("uid", name="uq_collections_uid"),
    )
    op.create_index("ix_collections_account_id", "collections", ["account_id"], unique=False)
    op.create_table(
        "collection_items",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("collection_id", _NUMBER, nullable=False),
        sa.Column("repository_id", _NUMBER, nullable=True),
        sa.Column("reference", sa.JSON(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_collection_items_collection_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_collection_items_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_collection_items"),
        sa.UniqueConstraint("uid", name="uq_collection_items_uid"),
    )
    op.create_index("ix_collection_items_collection_id", "collection_items", ["collection_id"], unique=False)
    op.create_index("ix_collection_items_repository_id", "collection_items", ["repository_id"], unique=False)
    op.create_table(
        "discussions",
        sa.Column("repository_id", _NUMBER, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("is_pull_request", sa.Boolean(), nullable=False),
        sa.Column("author_id", _NUMBER, nullable=True),
        sa.Column("base", sa.Text(), nullable=True),
        sa.Column("merge_commit", sa.Text(), nullable=True),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("comments", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["accounts.id"], name="fk_discussions_author_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_discussions_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", "number", name="pk_discussions"),
    )
    op.create_index("ix_discussions_author_id", "discussions", ["author_id"], unique=False)
    op.create_table(
        "likes",
        sa.Column("user_id", _NUMBER, nullable=False),
        sa.Column("repository_id", _NUMBER, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_likes_repository_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name="fk_likes_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "repository_id", name="pk_likes"),
    )
    op.create_index("ix_likes_repository_id", "likes", ["repository_id"], unique=False)
    op.create_table(
        "discussion_events",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("author_id", _NUMBER, nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_id"], ["accounts.id"], name="fk_discussion_events_author_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["repository_id", "number"],
            ["discussions.repository_id", "discussions.number"],
            name="fk_discussion_events_discussion",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_discussion_events"),
        sa.UniqueConstraint("uid", name="uq_discussion_events_uid"),
    )
    op.create_index(
        "ix_discussion_events_discussion", "discussion_events", ["repository_id", "number", "id"], unique=False
    )


def downgrade() -> None:
    """Drop the tables, and with them everything in them."""
    op.drop_table("discussion_events")
    op.drop_table("likes")
    op.drop_table("discussions")
    op.drop_table("collection_items")
    op.drop_table("collections")
