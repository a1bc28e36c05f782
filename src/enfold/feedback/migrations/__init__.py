"""How the tables came to be, step by step; alembic runs the steps that a database has not had."""
