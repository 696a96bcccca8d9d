"""Alembic's entry: the connection comes from the worker, in whose transaction the migration runs."""

from alembic import context

from worker.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
