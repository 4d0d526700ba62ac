"""Ends processes of a running server without notice, never the same stage more than twice."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections import Counter

import psutil

from tests.serving import Server

MOST_PER_STAGE = 2
"""A stage has three attempts: killed oftener, its end `worker_lost` would be right."""


class Killer:
    """Kills one kind of process: `child`, `parent`, `web` or `supervisor`."""

    def __init__(self, server: Server, victim: str, seed: int) -> None:
        self._server = server
        self._victim = victim
        self._random = random.Random(seed)
        self._killed: Counter[int] = Counter()
        self.kills = 0

    def strike(self) -> None:
        """Kill one process if there is one whose stage may be killed once more."""
        with contextlib.suppress(psutil.NoSuchProcess):
            done = {"web": self._web, "supervisor": self._supervisor}.get(self._victim, self._worker)()
            self.kills += done

    def pause_s(self) -> float:
        """Time until the next strike."""
        return self._random.uniform(0.05, 0.6)

    def _web(self) -> bool:
        web = self._server.processes("_web")
        if web:
            self._random.choice(web).kill()
        return bool(web)

    def _supervisor(self) -> bool:
        if any(self._spent(stage) for stage in self._stages().values()):
            return False
        self._killed.update(self._stages().values())
        self._server.kill()
        self._server.start()
        return True

    def _worker(self) -> bool:
        parents = [process for process in self._server.processes("_worker") if "cpu" in process.cmdline()]
        if not parents:
            return False
        parent = self._random.choice(parents)
        # Stopped, it cannot take another stage between this look and the blow.
        parent.suspend()
        try:
            return self._blow(parent)
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                parent.resume()

    def _blow(self, parent: psutil.Process) -> bool:
        arguments = parent.cmdline()
        stage = self._stages().get(arguments[arguments.index("--id") + 1])
        if stage is None or self._spent(stage):
            return False
        target = parent if self._victim == "parent" else self._compute_child(parent)
        if target is None:
            return False
        self._killed[stage] += 1
        target.kill()
        return True

    def _compute_child(self, parent: psutil.Process) -> psutil.Process | None:
        """The process that the worker's fork server has made."""
        for helper in parent.children():
            for child in helper.children():
                return child
        return None

    def _spent(self, stage: int) -> bool:
        return self._killed[stage] >= MOST_PER_STAGE

    def _stages(self) -> dict[str, int]:
        """Which stage each worker has in hand."""
        path = self._server.data_dir / "orfeas.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10.0)) as rows:
            return dict(rows.execute("SELECT owner, id FROM stages WHERE owner IS NOT NULL").fetchall())
