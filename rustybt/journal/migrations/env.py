"""What Alembic runs: the migrations, on the connection that it was given."""

from __future__ import annotations

from alembic import context

from rustybt.journal.tables import METADATA, VERSION_TABLE


def run() -> None:
    """Run the migrations on the connection in the attributes of Alembic's configuration."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=METADATA,
        version_table=VERSION_TABLE,
        transaction_per_migration=False,
    )
    context.run_migrations()


# Alembic runs this file under a name of its own; imported as a module, it has nothing to run on.
if __name__ == "env_py":
    run()
