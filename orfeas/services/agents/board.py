"""What agents tell each other, as rows; every counter is counted from them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Float, case, cast, func, select

from orfeas.domain.agents.roster import AGENTS, Standing
from orfeas.domain.caller import Caller
from orfeas.jobs.enlist import UNFINISHED
from orfeas.storage.database import Database
from orfeas.storage.statements import upsert
from orfeas.storage.tables import agent_messages, jobs, workers

TASK, RESULT = "task", "result"
HEALTHY_S = 60.0
_SENT = agent_messages.c
_ANSWER = agent_messages.alias("answers").c
_ANSWERED = (
    select(_ANSWER.id)
    .where(
        _ANSWER.job_id == _SENT.job_id,
        _ANSWER.kind == RESULT,
        _ANSWER.sender == _SENT.receiver,
        _ANSWER.action == _SENT.action,
        _ANSWER.sent_at >= _SENT.sent_at,
    )
    .exists()
)
_AT_WORK = (
    select(_SENT.receiver, func.count())
    .join(jobs, jobs.c.id == _SENT.job_id)
    .where(_SENT.kind == TASK, jobs.c.state.in_(UNFINISHED), ~_ANSWERED)
    .group_by(_SENT.receiver)
)
_ASKED = select(_SENT.receiver, func.count()).where(_SENT.kind == TASK).group_by(_SENT.receiver)
_RESULTS = (
    select(
        _SENT.sender,
        func.count().label("ended"),
        func.sum(case((_SENT.ok, 1), else_=0)).label("completed"),
        func.avg(cast(_SENT.seconds, Float)).label("seconds"),
        func.avg(cast(_SENT.quality, Float)).label("quality"),
        func.max(_SENT.sent_at).label("last"),
    )
    .where(_SENT.kind == RESULT)
    .group_by(_SENT.sender)
)
_TOLD = select(
    func.count().label("sent"),
    func.count(_SENT.received_at).label("received"),
    func.coalesce(func.sum(case((_SENT.ok.is_(False), 1), else_=0)), 0).label("failed"),
    func.coalesce(func.sum(_SENT.retries), 0).label("retries"),
)
_HEARTBEATS = select(workers.c.queue, func.max(workers.c.heartbeat_at)).group_by(workers.c.queue)


class Board:
    """Tasks and results between agents."""

    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now

    def give(self, caller: Caller, job_id: str, key: str, sender: str, receiver: str, action: str) -> None:
        """Tell an agent what to do; told once more, it is a retry."""
        message_id = _id(job_id, key, TASK)
        told = _message(message_id, caller, job_id, sender, receiver, TASK, action, self._now())
        again = {"retries": agent_messages.c.retries + 1}
        with self._database.transaction() as connection:
            insert = upsert(connection, agent_messages).values(**told, received_at=self._now())
            connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=again))

    def answer(
        self, caller: Caller, job_id: str, key: str, sender: str, receiver: str, action: str, *, ok: bool,
        seconds: float | None, quality: float | None = None,
    ) -> None:  # fmt: skip
        """Tell what came of it; only the first answer counts."""
        told = _message(_id(job_id, key, RESULT), caller, job_id, sender, receiver, RESULT, action, self._now())
        values = {**told, "received_at": self._now(), "ok": ok, "seconds": seconds, "quality": quality}
        with self._database.transaction() as connection:
            connection.execute(upsert(connection, agent_messages).values(**values).on_conflict_do_nothing())

    def standings(self) -> dict[str, Standing]:
        """How busy and how quick each agent is."""
        with self._database.read() as connection:
            active, figures = _active(connection), _figures(connection)
        return {
            name: Standing(active.get(name, 0), figures.get(name, {}).get("average_execution_time")) for name in AGENTS
        }

    def performance(self) -> dict[str, dict[str, Any]]:
        """What each agent has done; rates and means are None before its first task."""
        empty = {
            "tasks_completed": 0, "success_rate": None, "average_execution_time": None, "quality_score": None,
            "last_activity": None, "requests": 0,
        }  # fmt: skip
        with self._database.read() as connection:
            figures, active = _figures(connection), _active(connection)
            asked = {row[0]: row[1] for row in connection.execute(_ASKED)}
            seen = {row[0]: row[1] for row in connection.execute(_HEARTBEATS)}
        return {
            name: {
                **empty,
                **figures.get(name, {}),
                "requests": asked.get(name, 0),
                "active": active.get(name, 0),
                "heartbeat_at": min(seen.get(queue, 0.0) for queue in agent.queues) or None,
            }
            for name, agent in AGENTS.items()
        }

    def healthy(self, heartbeat_at: float | None) -> bool:
        """Whether the workers that an agent needs gave a sign of life within a minute."""
        return heartbeat_at is not None and self._now() - heartbeat_at <= HEALTHY_S

    def statistics(self) -> dict[str, int]:
        """How many messages were sent, received, failed and sent again, and how many wait to be answered."""
        with self._database.read() as connection:
            row = connection.execute(_TOLD).one()
            pending = sum(_active(connection).values())
        return {
            "sent": int(row.sent), "received": int(row.received), "failed": int(row.failed),
            "retries": int(row.retries), "pending": pending,
        }  # fmt: skip


def _active(connection: Connection) -> dict[str, int]:
    """Tasks without a result whose job is still at work, by agent."""
    return {row[0]: row[1] for row in connection.execute(_AT_WORK)}


def _figures(connection: Connection) -> dict[str, dict[str, Any]]:
    """From the results of each agent."""
    return {
        row.sender: {
            "tasks_completed": int(row.completed),
            "success_rate": round(row.completed / row.ended, 4),
            "average_execution_time": None if row.seconds is None else round(row.seconds, 4),
            "quality_score": None if row.quality is None else round(row.quality, 3),
            "last_activity": row.last,
        }
        for row in connection.execute(_RESULTS)
    }


def _id(job_id: str, key: str, kind: str) -> str:
    return str(uuid.uuid5(uuid.UUID(job_id), f"{key}.{kind}"))


def _message(
    message_id: str, caller: Caller, job_id: str, sender: str, receiver: str, kind: str, action: str, now: float
) -> dict[str, Any]:
    return {
        "id": message_id, "tenant": caller.tenant, "job_id": job_id, "sender": sender, "receiver": receiver,
        "kind": kind, "action": action, "sent_at": now,
    }  # fmt: skip
