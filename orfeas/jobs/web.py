"""The web process: gunicorn with one worker of many threads, waitress where there is no gunicorn."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

MakeApp = Callable[[], Any]
Stop = Callable[[Any], None]
"""Called with the app when the process has to end: wakes everybody who waits."""

THREADS = 256
GRACEFUL_S = 10
SWITCH_S = 0.001
"""Who writes holds the database and waits for the interpreter after each statement: 5 ms as usual would add up."""


def run_web(make_app: MakeApp, *, listen_fd: int, life_fd: int, ready_fd: int | None, on_stop: Stop) -> None:
    """Serve the app on an inherited listening socket until SIGTERM, or until the supervisor is gone.

    Parameters
    ----------
    make_app
        Makes the WSGI application, in the process that answers.
    listen_fd
        The bound socket. The supervisor keeps it open, so that nobody is refused while this process is replaced.
    life_fd
        Read end of a pipe that only the supervisor can write to.
    ready_fd
        One byte is written here when requests can be answered.
    on_stop
        Ends streams and waits, which would otherwise hold up the end.
    """
    sys.setswitchinterval(SWITCH_S)
    make = partial(_made_for_good, make_app)
    if find_spec("gunicorn") is not None:
        _run_gunicorn(make, listen_fd, life_fd, ready_fd, on_stop)
    else:
        _run_waitress(make, listen_fd, life_fd, ready_fd, on_stop)


def _made_for_good(make_app: MakeApp) -> Any:
    """The app, left out of every collection of garbage, which takes a seventh of the start and holds up answers.

    What garbage the start itself made stays as well: it is less than a megabyte.
    """
    gc.disable()
    app = make_app()
    gc.freeze()
    gc.enable()
    return app


def _run_gunicorn(make_app: MakeApp, listen_fd: int, life_fd: int, ready_fd: int | None, on_stop: Stop) -> None:
    import gunicorn

    # Read once by gunicorn.http.wsgi when it is imported: the answer to 'Server'.
    gunicorn.SERVER = "orfeas"
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):
        def load_config(self) -> None:
            for name, value in gunicorn_settings(listen_fd, life_fd, ready_fd, on_stop).items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return make_app()

    Application().run()


def gunicorn_settings(listen_fd: int, life_fd: int, ready_fd: int | None, on_stop: Stop) -> dict[str, Any]:
    """Gunicorn's configuration: one process, so that waiters and limits are counted in one place."""

    def serving(worker: Any) -> None:
        _stop_quickly(worker, on_stop)
        _end_with(life_fd, lambda: _leave(on_stop, worker.wsgi))
        _report(ready_fd)

    settings: dict[str, Any] = {
        "bind": f"fd://{listen_fd}",
        "worker_class": "gthread",
        "workers": 1,
        "threads": THREADS,
        "timeout": 30,
        "graceful_timeout": GRACEFUL_S,
        "keepalive": 15,
        "loglevel": "warning",
        "control_socket_disable": True,
        "limit_request_line": 8190,
        # Headers of proxies are the application's business (ORFEAS_TRUST_PROXY), not gunicorn's.
        "forwarded_allow_ips": "",
        "secure_scheme_headers": {},
        "when_ready": lambda arbiter: _end_with(life_fd, lambda: os.kill(os.getpid(), signal.SIGQUIT)),
        "post_worker_init": serving,
    }
    shared_memory = Path("/dev/shm")  # noqa: S108 - gunicorn makes an unnamed file there
    if os.access(shared_memory, os.W_OK):
        # The heartbeat file: on a full or slow disk it would stop the process.
        settings["worker_tmp_dir"] = str(shared_memory)
    return settings


def _stop_quickly(worker: Any, on_stop: Stop) -> None:
    def leave(number: int, frame: Any) -> None:
        # Not in the handler itself: it could interrupt a holder of the lock that it then needs.
        threading.Thread(target=on_stop, args=(worker.wsgi,), daemon=True).start()
        worker.handle_exit(number, frame)

    signal.signal(signal.SIGTERM, leave)


def _leave(on_stop: Stop, app: Any) -> None:
    on_stop(app)
    os._exit(0)


def _run_waitress(make_app: MakeApp, listen_fd: int, life_fd: int, ready_fd: int | None, on_stop: Stop) -> None:
    from waitress import create_server

    app = make_app()
    server = create_server(
        app,
        sockets=[socket.socket(fileno=listen_fd)],
        threads=64,
        channel_timeout=120,
        ident="orfeas",
        clear_untrusted_proxy_headers=True,
    )

    def leave(number: int, frame: Any) -> None:
        threading.Thread(target=on_stop, args=(app,), daemon=True).start()
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)
    _end_with(life_fd, lambda: _leave(on_stop, app))
    _report(ready_fd)
    server.run()


def _report(ready_fd: int | None) -> None:
    if ready_fd is not None:
        # A replaced gunicorn worker reports again, when nobody listens any more.
        with contextlib.suppress(OSError):
            os.write(ready_fd, b"1")


def _end_with(life_fd: int, end: Callable[[], None]) -> None:
    """Call `end` when the other side of a pipe is gone."""

    def watch() -> None:
        while os.read(life_fd, 1):
            pass
        end()

    threading.Thread(target=watch, name="life", daemon=True).start()
