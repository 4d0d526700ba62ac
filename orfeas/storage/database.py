"""One engine per process over SQLite (WAL) or PostgreSQL, with one writer at a time on both.

The rows of a run are written by whoever ends one of its stages, cancels it or joins it. Locks on single
rows would be taken in as many orders and end in deadlocks, and a transaction that reads what another one
is about to change would leave runs that nobody finishes. Transactions are short, so they take turns.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from orfeas.errors import DatabaseUnavailableError, DiskFullError
from orfeas.storage.blobs import DISK_FULL

PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA busy_timeout=10000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
)
SETTINGS = (
    "SET lock_timeout = '10s'",
    # A process that stops in the middle of a transaction holds up the others no longer than this.
    "SET idle_in_transaction_session_timeout = '30s'",
)
TAKE_TURNS = text("SELECT pg_advisory_xact_lock(7230911, hashtext(coalesce(current_schema(), '')))")
WAIT_S = 10.0
RETRY_S = 2
UNAVAILABLE = (OperationalError, InterfaceError, DatabaseUnavailableError, DiskFullError)
"""What a transaction raises when the database is locked, full, or away for a while."""
LOCK_NOT_AVAILABLE = "55P03"
HEAD = "0007"
"""The newest migration; a test compares it with the folder."""

log = logging.getLogger("orfeas.storage")


class Database:
    """Transactions and reads. Make it after the process has started: connections do not survive a fork."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self._engine = _sqlite_engine(url) if self.is_sqlite else _server_engine(url)
        file = make_url(url).database if self.is_sqlite else None
        self._turns = Turns(Path(f"{file}-turn")) if file and file != ":memory:" else None
        # SQLite lets go of the interpreter at each row: among many threads at work each row would wait for a turn,
        # and most of the time be spent in changing turns. So the threads of a process use the file one at a time.
        self._alone: AbstractContextManager[object] = threading.RLock() if self.is_sqlite else nullcontext()
        self._looks = threading.local()
        self._reader = self._engine.execution_options(
            **{"read_only_snapshot": True} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that may write. It waits for its turn at once, so it sees all that was written before.

        Raises
        ------
        DiskFullError
            The database found no room.
        DatabaseUnavailableError
            The turn did not come in time, or the server is away.
        """
        if getattr(self._looks, "connection", None) is not None:
            raise RuntimeError("A transaction within a look would wait for itself.")
        turn: AbstractContextManager[None] = self._turns.taken() if self._turns else nullcontext()
        with _named(), turn, self._alone, self._engine.begin() as connection:
            if not self.is_sqlite:
                connection.execute(TAKE_TURNS)
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent look without a write lock; raises as a transaction does. A look within a look sees the same."""
        looking: Connection | None = getattr(self._looks, "connection", None)
        if looking is not None:
            yield looking
            return
        put_off: list[Callable[[], None]] = []
        try:
            with _named(), self._alone, self._reader.begin() as connection:
                self._looks.connection, self._looks.put_off = connection, put_off
                try:
                    yield connection
                finally:
                    self._looks.connection = None
        finally:
            for act in put_off:
                act()

    def after_look(self, act: Callable[[], None]) -> None:
        """Do what may write when this thread's look is over, however it ends; at once where there is none."""
        if getattr(self._looks, "connection", None) is not None:
            self._looks.put_off.append(act)
        else:
            act()

    def dispose(self) -> None:
        """Close all connections."""
        self._engine.dispose()
        if self._turns:
            self._turns.close()


class Turns:
    """Writers of a SQLite file, one after the other: threads by a lock, processes by a file that they lock.

    SQLite itself lets a writer look again after ever longer breaks, so that whoever waits long is overtaken by those
    who just came, until it gives up. One thread of each process waits for the others, which the system lets in fairly
    and without looking again; a process that stops in the middle of a transaction holds up only that one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = threading.Lock()
        self._file: int | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for the turn, and pass it on at the end."""
        if not self._thread.acquire(timeout=WAIT_S):
            raise DatabaseUnavailableError(retry_after=RETRY_S)
        try:
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        finally:
            self._thread.release()

    def close(self) -> None:
        """Give the file back."""
        with self._thread:
            if self._file is not None:
                os.close(self._file)
                self._file = None


@contextmanager
def _named() -> Iterator[None]:
    """What a client can do something about, by its name."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if "disk is full" in str(error.orig) or getattr(error.orig, "sqlstate", None) == "53100":
            raise DiskFullError(DISK_FULL) from error
        if _is_away(error):
            log.warning("the database does not answer: %s", str(error).partition("\n")[0])
            raise DatabaseUnavailableError(retry_after=RETRY_S) from error
        raise


def _is_away(error: DBAPIError) -> bool:
    """Whether the same statement may go well later: a lock that did not come, a server that is gone."""
    if isinstance(error.orig, sqlite3.Error):
        return "database is locked" in str(error.orig)
    state = getattr(error.orig, "sqlstate", None)
    # Without a state the error is the driver's own: no connection.
    return state is None or state == LOCK_NOT_AVAILABLE or state.startswith(("08", "57P"))


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        # The one that was used last knows the pages that were written last; the others would read them again.
        pool_use_lifo=True,
        pool_size=16,
        max_overflow=256,
        connect_args={"check_same_thread": False, "isolation_level": None, "timeout": 10.0},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    for pragma in PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    connection.exec_driver_sql("BEGIN" if options.get("read_only_snapshot") else "BEGIN IMMEDIATE")


def _server_engine(url: str) -> Engine:
    engine = create_engine(_with_driver(url), pool_size=8, max_overflow=64, pool_pre_ping=True)
    event.listen(engine, "connect", _prepare_server)
    return engine


def _prepare_server(connection: Any, _: ConnectionPoolEntry) -> None:
    for setting in SETTINGS:
        connection.execute(setting)
    connection.commit()


def _with_driver(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else url


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes of one machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def migrate(database: Database, lock_folder: Path) -> None:
    """Bring the tables up to date; quick when they are. Several servers may start at once."""
    if _revision(database) == HEAD:
        return
    with file_lock(lock_folder / "migrate.lock"):
        if _revision(database) != HEAD:
            _upgrade(database)


def _revision(database: Database) -> str | None:
    try:
        with database.read() as connection:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except (OperationalError, ProgrammingError):
        return None


def _upgrade(database: Database) -> None:
    from alembic import command

    logging.getLogger("alembic").setLevel(logging.WARNING)
    with database.transaction() as connection:
        command.upgrade(migration_config(connection), "head")


def migration_config(connection: Connection) -> Any:
    """Alembic's configuration, working on an open connection."""
    from alembic.config import Config as AlembicConfig

    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
