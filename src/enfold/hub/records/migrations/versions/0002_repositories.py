"""The tables of repositories, refs and who may read a gated one.

Revision: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables and their indexes."""
    op.create_table(
        "repositories",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("account_id", _NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("creator_id", _NUMBER, nullable=True),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("gated", sa.Text(), nullable=True),
        sa.Column("gate_fields", sa.JSON(), nullable=False),
        sa.Column("discussions_disabled", sa.Boolean(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("sdk", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("downloads", sa.BigInteger(), nullable=False),
        sa.Column("downloads_all_time", sa.BigInteger(), nullable=False),
        sa.Column("likes", sa.BigInteger(), nullable=False),
        sa.Column("trending", sa.Double(), nullable=False),
        sa.Column("last_discussion", sa.BigInteger(), nullable=False),
        sa.Column("used_storage", sa.BigInteger(), nullable=False),
        sa.Column("sha", sa.Text(), nullable=True),
        sa.Column("card", sa.JSON(), nullable=True),
        sa.Column("config", sa.JSON(), nullable=True),
        sa.Column("safetensors", sa.JSON(), nullable=True),
        sa.Column("gguf", sa.JSON(), nullable=True),
        sa.Column("pipeline_tag", sa.Text(), nullable=True),
        sa.Column("library_name", sa.Text(), nullable=True),
        sa.Column("parameters", sa.BigInteger(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_repositories_account_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["creator_id"], ["accounts.id"], name="fk_repositories_creator_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_repositories"),
        sa.UniqueConstraint("type", "folded", name="uq_repositories_type_folded"),
        sa.UniqueConstraint("uid", name="uq_repositories_uid"),
    )
    op.create_index("ix_repositories_account", "repositories", ["account_id", "type"], unique=False)
    op.create_index(
        "ix_repositories_by_created_at", "repositories", ["type", "private", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_repositories_by_downloads", "repositories", ["type", "private", "downloads", "id"], unique=False
    )
    op.create_index("ix_repositories_by_likes", "repositories", ["type", "private", "likes", "id"], unique=False)
    op.create_index("ix_repositories_by_trending", "repositories", ["type", "private", "trending", "id"], unique=False)
    op.create_index(
        "ix_repositories_by_updated_at", "repositories", ["type", "private", "updated_at", "id"], unique=False
    )
    op.create_index("ix_repositories_creator_id", "repositories", ["creator_id"], unique=False)
    op.create_table(
        "access_requests",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("repository_id", _NUMBER, nullable=False),
        sa.Column("user_id", _NUMBER, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("asked", sa.Boolean(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handled_by", _NUMBER, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["handled_by"], ["accounts.id"], name="fk_access_requests_handled_by", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_access_requests_repository_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name="fk_access_requests_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_access_requests"),
        sa.UniqueConstraint("repository_id", "user_id", name="uq_access_requests_repository_id_user_id"),
        sa.UniqueConstraint("uid", name="uq_access_requests_uid"),
    )
    op.create_index("ix_access_requests_user_id", "access_requests", ["user_id"], unique=False)
    op.create_table(
        "downloads",
        sa.Column("repository_id", _NUMBER, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_downloads_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", "day", name="pk_downloads"),
    )
    op.create_table(
        "landed_commits",
        sa.Column("repository_id", _NUMBER, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("commit", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_landed_commits_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", "digest", name="pk_landed_commits"),
    )
    op.create_index("ix_landed_commits_at", "landed_commits", ["at"], unique=False)
    op.create_table(
        "mirrors",
        sa.Column("repository_id", _NUMBER, nullable=False),
        sa.Column("upstream", sa.Text(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_mirrors_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", name="pk_mirrors"),
    )
    op.create_table(
        "ref_moves",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("repository_id", _NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("old", sa.Text(), nullable=True),
        sa.Column("new", sa.Text(), nullable=True),
        sa.Column("actor_id", _NUMBER, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["accounts.id"], name="fk_ref_moves_actor_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_ref_moves_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ref_moves"),
    )
    op.create_index("ix_ref_moves_repository", "ref_moves", ["repository_id", "id"], unique=False)
    op.create_table(
        "refs",
        sa.Column("repository_id", _NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("commit", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_refs_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", "name", name="pk_refs"),
    )
    op.create_table(
        "renames",
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("repository_id", _NUMBER, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_renames_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("type", "folded", name="pk_renames"),
    )
    op.create_index("ix_renames_repository_id", "renames", ["repository_id"], unique=False)
    op.create_table(
        "repository_tags",
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("repository_id", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_repository_tags_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tag", "repository_id", name="pk_repository_tags"),
    )
    op.create_index("ix_repository_tags_repository_id", "repository_tags", ["repository_id"], unique=False)
    op.create_table(
        "token_grants",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("token_id", _NUMBER, nullable=False),
        sa.Column("account_id", _NUMBER, nullable=True),
        sa.Column("repository_id", _NUMBER, nullable=True),
        sa.Column("right", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_token_grants_account_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_token_grants_repository_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name="fk_token_grants_token_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_token_grants"),
    )
    op.create_index("ix_token_grants_account_id", "token_grants", ["account_id"], unique=False)
    op.create_index("ix_token_grants_repository_id", "token_grants", ["repository_id"], unique=False)
    op.create_index("ix_token_grants_token_id", "token_grants", ["token_id"], unique=False)


def downgrade() -> None:
    """Drop the tables, and with them everything in them."""
    op.drop_table("token_grants")
    op.drop_table("repository_tags")
    op.drop_table("renames")
    op.drop_table("refs")
    op.drop_table("ref_moves")
    op.drop_table("mirrors")
    op.drop_table("landed_commits")
    op.drop_table("downloads")
    op.drop_table("access_requests")
    op.drop_table("repositories")
