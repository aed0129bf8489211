"""Runs migrations on the connection that finest.database holds, inside its transaction."""

from alembic import context

from finest.tasks.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
