"""What was committed before there were scans waits to be looked at: a job for each commit that a ref points to.

Revision: 0010
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_refs = sa.table("refs", sa.column("repository_id"), sa.column("name"), sa.column("commit"))
_jobs = sa.table(
    "jobs",
    sa.column("kind", sa.Text),
    sa.column("key", sa.Text),
    sa.column("arguments", sa.JSON),
    sa.column("status", sa.Text),
    sa.column("attempts", sa.Integer),
    sa.column("due_at", sa.DateTime(timezone=True)),
    sa.column("created_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    """Write the jobs down; the branch main of each repository first, as others are compared with it."""
    found = op.get_bind().execute(sa.select(*_refs.c))
    order = sorted(found, key=lambda row: (row[1] != "refs/heads/main", row[0], row[1]))
    moment = datetime.now(UTC)
    rows = [
        {
            "kind": "scan",
            "key": f"{repository} {commit}",
            "arguments": {"repository": repository, "commit": commit, "old": None},
            "status": "waiting",
            "attempts": 0,
            "due_at": moment,
            "created_at": moment,
        }
        for repository, commit in dict.fromkeys((row[0], row[2]) for row in order)
    ]
    if rows:
        op.bulk_insert(_jobs, rows)


def downgrade() -> None:
    """Take back what waits."""
    op.execute(sa.text("DELETE FROM jobs WHERE kind = 'scan'"))
