"""The steps that make the tables and change them, in order; alembic runs those that a database has not had."""
