"""Run the steps on the connection that `enfold.hub.records.database` passes, inside its transaction."""

from __future__ import annotations

from alembic import context

from enfold.hub.records.database import VERSION_TABLE
from enfold.hub.records.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
