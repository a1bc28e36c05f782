"""In SQLite, the numbers of ref moves and of discussion events are never given out again.

Whoever is told what happened remembers the last number they saw. SQLite gives the number of a deleted last row to the
next one, which would then count as seen.

Revision: 0009
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLES = ("ref_moves", "discussion_events")


def upgrade() -> None:
    """Make the tables again with numbers that only grow; PostgreSQL's do so already."""
    _make_again(sqlite_autoincrement=True)


def downgrade() -> None:
    """Make the tables again with numbers as they were."""
    _make_again(sqlite_autoincrement=False)


def _make_again(**table: bool) -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for name in _TABLES:
        with op.batch_alter_table(name, recreate="always", table_kwargs=table):
            pass
