"""A real `orfeas serve` in its own processes, for tests and benchmarks."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import psutil

START_S = 120.0


def free_port() -> int:
    """A TCP port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`orfeas serve` on a free port, ended by its process id.

    Parameters
    ----------
    data_dir
        The data folder; `serve.log` in it (or in `log_dir`) receives what the processes print.
    settings
        `ORFEAS_` settings by their names in lower case: `cpu_workers=2`.
    """

    def __init__(
        self, data_dir: Path, *, port: int | None = None, log_dir: Path | None = None, **settings: Any
    ) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = (log_dir or data_dir) / f"serve-{self.port}.log"
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("ORFEAS_")}
        self.environ |= {f"ORFEAS_{name.upper()}": str(value) for name, value in settings.items()}
        self.environ |= {"ORFEAS_DATA_DIR": str(data_dir), "ORFEAS_PORT": str(self.port), "NO_PROXY": "*"}
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the processes without waiting for them."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "orfeas", "serve"],
                env=self.environ,
                stdout=log,
                stderr=log,
                cwd=self.log_path.parent,
            )
        return self.process

    def start(self) -> Server:
        """Start and wait until it answers and its workers are there."""
        process = self.launch()
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/ready", timeout=5.0).status_code == 200:
                    return self
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"orfeas serve did not become ready:\n{self.log()}")

    def stop(self, timeout_s: float = 20.0) -> int | None:
        """End it as a user would, with SIGTERM, and return its exit status."""
        if self.process is None:
            return None
        leftovers = self.processes()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(5.0)
        finally:
            _, alive = psutil.wait_procs(leftovers, timeout=3.0)
            for process in alive:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()

    def processes(self, marker: str | None = None) -> list[psutil.Process]:
        """Descendants of the supervisor; with a marker those whose command line has it."""
        if self.process is None or self.process.poll() is not None:
            return []
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    if marker is None or marker in process.cmdline():
                        found.append(process)
        return found

    def kill(self) -> None:
        """End the supervisor without notice (SIGKILL) and wait until its children have followed."""
        assert self.process is not None
        children = self.processes()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(5.0)
        _, alive = psutil.wait_procs(children, timeout=10.0)
        assert not alive, f"outlived the supervisor: {[process.cmdline() for process in alive]}"

    def log(self) -> str:
        """Everything that the processes printed."""
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""
