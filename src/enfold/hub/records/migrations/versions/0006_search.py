"""The index that names and tags are searched in: FTS5 with trigrams in SQLite, pg_trgm in PostgreSQL.

Revision: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make a table of one text a repository, under the repository's number, that finds substrings."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE repository_search USING fts5(text, tokenize = 'trigram')")
        op.execute(
            "CREATE TRIGGER repository_search_deleted AFTER DELETE ON repositories "
            "BEGIN DELETE FROM repository_search WHERE rowid = old.id; END"
        )
        return
    # The extension may be there in any schema, which need not be one that names are looked up in.
    where = "SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace "
    find = sa.text(where + "WHERE extname = 'pg_trgm'")
    schema = op.get_bind().execute(find).scalar()
    if schema is None:
        op.execute("CREATE EXTENSION pg_trgm SCHEMA public")
        schema = "public"
    op.execute(
        "CREATE TABLE repository_search ("
        "rowid bigint PRIMARY KEY REFERENCES repositories (id) ON DELETE CASCADE, text text NOT NULL)"
    )
    op.execute(f"CREATE INDEX ix_repository_search_text ON repository_search USING gin (text {schema}.gin_trgm_ops)")


def downgrade() -> None:
    """Drop the table; it can be filled again from the repositories."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER repository_search_deleted")
    op.execute("DROP TABLE repository_search")
