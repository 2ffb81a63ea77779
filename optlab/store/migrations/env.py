"""What Alembic runs to reach the database: the connection of `run.upgrade`, whose transaction is already open."""

from alembic import context

from optlab.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
