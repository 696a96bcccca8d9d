"""The database is brought to this program's revision at start; a newer one is refused."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from worker.errors import UsageError
from worker.store import schema

HEAD = "0001"
"""The revision of this program's tables (a test compares it with the scripts)."""
KNOWN = frozenset({HEAD})
MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(conn: Connection) -> bool:
    """Creates or upgrades the tables inside the caller's transaction; True where something was done."""
    current = revision(conn)
    if current == HEAD:
        return False
    if current is not None and current not in KNOWN:
        raise UsageError(
            f"WORKER_DATABASE_URL: the database is of revision {current}, newer than this program's {HEAD}; "
            "start the newer version of the worker, or restore the backup made before the upgrade"
        )
    if current is None and not inspect(conn).get_table_names():
        _create(conn)
        return True
    # Alembic is only loaded when there is something to do: it takes a quarter of a second.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    command.upgrade(config, "head")
    return True


def _create(conn: Connection) -> None:
    """An empty database gets the newest tables at once (a test compares them with what the scripts make)."""
    schema.complete(conn.dialect.name).create_all(conn)
    conn.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    conn.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})


def revision(conn: Connection) -> str | None:
    """The revision that the database is at; None for an empty one."""
    if not inspect(conn).has_table("alembic_version"):
        return None
    return conn.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
