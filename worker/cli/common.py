"""What commands share: the database beside a running daemon, and who gives the command."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from worker import settings as settings_module
from worker.errors import StoreError, UsageError
from worker.model.actions import Mode
from worker.model.plans import Ceilings
from worker.model.storable import storable
from worker.settings import Settings
from worker.store import flags
from worker.store.engine import sqlite_engine, sqlite_path, streaming, transact
from worker.store.file.lock import holder
from worker.store.migrate import HEAD, migrate, revision
from worker.store.tools import Connection, Engine
from worker.store.views import queries

T = TypeVar("T")


class Database:
    """The ledger as a command sees it: short transactions on the daemon's file, for one account."""

    def __init__(self, engine: Engine, settings: Settings, account_id: str) -> None:
        self.engine = engine
        self.settings = settings
        self.account_id = account_id

    def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Runs a store function with this account in one transaction."""
        return transact(self.engine, lambda conn: function(conn, self.account_id, *args, **kwargs))

    def ceilings(self) -> Ceilings:
        """The operator's limits as the worker obeys them.

        A running daemon's choices count, not those of the shell that asks; where none runs, what the shell sets
        counts, and then what the last worker on this database said of itself.
        """
        choice = self._choices()
        return Ceilings(
            Mode(choice("mode", "worker_mode")),
            choice("cap_per_poll", "worker_cap_per_poll"),
            choice("cap_per_hour", "worker_cap_per_hour"),
            choice("approval_timeout", "worker_approval_timeout"),
            choice("cap_per_day", "worker_cap_per_day"),
        )

    def request_budget(self) -> int:
        """Requests in any 300 s, as the worker that shares them counts."""
        return int(self._choices()("request_budget", "worker_request_budget"))

    def _choices(self) -> Callable[[str, str], Any]:
        said = transact(self.engine, lambda conn: flags.get(conn, self.account_id, flags.DAEMON)) or {}
        runs = said.get("pid") is not None and said.get("pid") == self.daemon()

        def choice(name: str, setting: str) -> Any:
            mine = setting in self.settings.model_fields_set and not runs
            own = getattr(self.settings, setting)
            return own if mine else said.get(name, own)

        return choice

    def daemon(self) -> int | None:
        """The process that acts on this database now, if one does."""
        return holder(sqlite_path(self.settings.database_url))

    def stream(self) -> AbstractContextManager[Connection]:
        """A connection whose rows are read one by one, all as they stood at the first."""
        return streaming(self.engine)


@contextmanager
def database(*, create: bool = False) -> Iterator[Database]:
    """Opens the database of WORKER_DATABASE_URL. UsageError where there is none yet, unless `create`."""
    settings = settings_module.load()
    path = sqlite_path(settings.database_url)
    if not create and not path.exists():
        raise UsageError(
            f"WORKER_DATABASE_URL: there is no database at {path} yet; start `worker run`, "
            "or name the one that it uses, for example WORKER_DATABASE_URL=sqlite:///var/worker.db"
        )
    engine = sqlite_engine(path)
    try:
        current = transact(engine, revision)
        if current != HEAD:
            transact(engine, migrate)
        yield Database(engine, settings, _account(engine, settings))
    except StoreError as error:
        raise StoreError(f"WORKER_DATABASE_URL: {error}") from error
    finally:
        engine.dispose()


def _account(engine: Engine, settings: Settings) -> str:
    if settings.cloudflare_account_id is not None:
        return settings.cloudflare_account_id
    known = transact(engine, queries.accounts)
    if len(known) == 1:
        return known[0]
    if known:
        raise UsageError(
            f"CLOUDFLARE_ACCOUNT_ID: the database holds several accounts; set one of {', '.join(known)}"
        )
    raise settings_module.missing("cloudflare_account_id")


def person() -> str:
    """Who gives the command, for the audit log."""
    try:
        return storable(os.environ.get("SUDO_USER") or getpass.getuser())
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
