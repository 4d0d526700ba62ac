"""`orfeas serve` and `orfeas worker`: prepare the data folder, then supervise the processes."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from orfeas.config import Config, ConfigError, secret_key
from orfeas.domain.stages import Queue
from orfeas.errors import DatabaseUnavailableError
from orfeas.jobs.devices import Discovery, discover, remember
from orfeas.jobs.leases import Leases
from orfeas.jobs.supervisor import Program, Supervisor
from orfeas.jobs.wakeups import LocalWakeups
from orfeas.storage.blobs import FolderStorage
from orfeas.storage.database import Database, migrate

log = logging.getLogger(__name__)

BACKLOG = 1024
PORT_PATIENCE_S = 1.5
"""How long the processes of a server that was killed may still hold its port."""

Say = Callable[[str], None]


def serve(config: Config, say: Say) -> int:
    """Run the web process and the workers until SIGTERM or SIGINT; the exit status.

    Raises
    ------
    ConfigError
        The port is taken, or the data folder or the database cannot be used.
    """
    listener = listen(config.host, config.port)
    database = prepare(config)
    leases = _leases(config, database)
    port = listener.getsockname()[1]
    found = look_for_devices(config, database)
    supervisor = Supervisor(
        [
            _web(listener),
            *worker_programs(Queue.CPU, config.cpu_workers),
            *worker_programs(Queue.IO, 1),
            *gpu_programs(found),
        ],
        inherited=[listener.fileno()],
        on_ready=lambda: _announce(config, port, say),
        on_death=lambda worker_id: release(leases, worker_id),
        on_drain=listener.close,
    )
    try:
        return supervisor.run()
    finally:
        listener.close()
        database.dispose()


def work(config: Config, queue: Queue, count: int, say: Say) -> int:
    """Run workers alone, on the rows and files of a server."""
    database = prepare(config)
    leases = _leases(config, database)
    programs = worker_programs(queue, count)
    if queue is Queue.GPU:
        found = look_for_devices(config, database)
        if not found.devices:
            raise ConfigError(f"There is nothing for a gpu worker to run on. {found.reason}")
        programs = gpu_programs(found)
    supervisor = Supervisor(programs, on_death=lambda worker_id: release(leases, worker_id))
    say(f"{len(programs)} {queue} worker{'s' if len(programs) > 1 else ''} on {config.data_dir}. Ctrl-C ends them.")
    try:
        return supervisor.run()
    finally:
        database.dispose()


def _web(listener: socket.socket) -> Program:
    return Program(
        "web",
        ("_web", "--listen-fd", str(listener.fileno())),
        reports_ready=True,
        # 256 threads would make an arena each, and with it tens of megabytes that nobody uses.
        environ={"MALLOC_ARENA_MAX": "2"},
    )


def worker_programs(queue: Queue, count: int) -> list[Program]:
    """Workers of one queue."""
    return [Program(f"{queue}-{number + 1}", ("_worker", "--queue", queue), worker=True) for number in range(count)]


def look_for_devices(config: Config, database: Database) -> Discovery:
    """Find the devices that models run on, and keep what was found for the web process."""
    found = discover(config)
    remember(database, found)
    return found


def gpu_programs(found: Discovery) -> list[Program]:
    """One worker for each device."""
    return [
        Program(
            f"gpu-{facts.device}",
            ("_worker", "--queue", Queue.GPU, "--device", facts.device),
            worker=True,
        )
        for facts in found.devices
    ]


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen, before anything else is touched.

    Raises
    ------
    ConfigError
        Another program has the port, or the address is not one of this machine.
    """
    deadline = time.monotonic() + PORT_PATIENCE_S
    while True:
        try:
            return _bound(host, port)
        except PermissionError as error:
            raise ConfigError(f"Port {port} needs more rights. Set ORFEAS_PORT to one above 1023.") from error
        except OSError as error:
            if time.monotonic() < deadline and not isinstance(error, socket.gaierror):
                time.sleep(0.1)
                continue
            raise ConfigError(_cannot_listen(host, port, error)) from error


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if _answers(host, port):
        return (
            f"Port {port} on {host} is taken: another program, perhaps another orfeas, listens there. "
            "End it, or set ORFEAS_PORT (or --port) to a free port."
        )
    return f"Nothing can listen on {host} port {port}: {error.strerror or error}."


def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1.0):
        return True
    return False


def prepare(config: Config) -> Database:
    """Make the data folder, its secret and its tables; other servers may do the same at this moment."""
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True)
        secret_key(config)
    except OSError as error:
        raise ConfigError(
            f"The data folder {config.data_dir} cannot be used: {error.strerror}. Set ORFEAS_DATA_DIR to another."
        ) from error
    database = Database(config.database_url)
    try:
        migrate(database, config.data_dir)
    except (SQLAlchemyError, DatabaseUnavailableError, OSError) as error:
        database.dispose()
        raise ConfigError(f"The database cannot be used: {_first_line(error.__cause__ or error)}") from error
    return database


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def _leases(config: Config, database: Database) -> Leases:
    reserve_bytes = config.disk_reserve_mb * 1_000_000
    return Leases(database, FolderStorage(config.data_dir, reserve_bytes), LocalWakeups(config.data_dir), "supervisor")


def release(leases: Leases, worker_id: str) -> None:
    """Free the stages of a worker whose process has gone."""
    try:
        leases.release_worker(worker_id)
    except (SQLAlchemyError, DatabaseUnavailableError):
        # They are freed when the lease runs out; ending the supervisor would cost more.
        log.exception("the stages of worker %s could not be freed", worker_id)


def _announce(config: Config, port: int, say: Say) -> None:
    host = f"[{config.host}]" if ":" in config.host else config.host
    say(f"orfeas is ready at http://{host}:{port}  (API browser: /docs)")
    files, size_bytes = stored(config.data_dir)
    say(f"{files} files, {size_bytes / 1e6:.1f} MB, are stored in {config.data_dir}. Ctrl-C ends orfeas.")


def stored(data_dir: Path) -> tuple[int, int]:
    """Number and bytes of all stored files."""
    sizes = [size for _, size, _ in FolderStorage(data_dir).walk()]
    return len(sizes), sum(sizes)
