"""The tables of predictions and of what users said of them.

Revision: 0001, the first
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables and their indexes."""
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "predictions",
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("content_id", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("scores", sa.JSON, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("tokens", sa.Integer, nullable=False),
        sa.Column("windows", sa.Integer, nullable=False),
        sa.Column("cut", sa.Integer, nullable=False),
    )
    op.create_index("ix_predictions_content_id", "predictions", ["content_id"])
    op.create_index("ix_predictions_user_id", "predictions", ["user_id"])
    op.create_table(
        "feedback",
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("prediction_id", sa.Text, sa.ForeignKey("predictions.id"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("user_id", sa.Text),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_feedback_prediction_id", "feedback", ["prediction_id"])
    op.create_index("ix_feedback_user_id", "feedback", ["user_id"])
    if op.get_bind().dialect.name == "postgresql":
        # PostgreSQL copies sample values of a column into its statistics, where a deletion does not reach them.
        for table, column in (("predictions", "text"), ("predictions", "user_id"), ("feedback", "user_id")):
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")


def downgrade() -> None:
    """Drop both tables, and with them everything recorded."""
    op.drop_table("feedback")
    op.drop_table("predictions")
