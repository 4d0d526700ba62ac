"""Plan from the end: which stages of a plan have to run, and a run's interest in them (design, 3a.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, func, select, update

from orfeas.storage.blobs import Storage
from orfeas.storage.statements import upsert_of
from orfeas.storage.tables import AnyRow, counters, run_stages, runs, stage_inputs, stages

UNFINISHED = ("queued", "running")


@dataclass(frozen=True, slots=True)
class Survey:
    """A plan's stages as they stand.

    Attributes
    ----------
    document : the plan
    rows : the stages by fingerprint
    missing : fingerprints of the stages that have to run, or are running, in plan order
    """

    document: dict[str, Any]
    rows: dict[str, AnyRow]
    missing: dict[str, None]

    @property
    def needed(self) -> bool:
        """Whether anything has to run."""
        return bool(self.missing)

    @property
    def reused(self) -> list[str]:
        """Names of the stages whose kept results are used, and of those before them."""
        return [row.name for row in self.kept]

    @property
    def kept(self) -> list[AnyRow]:
        """The stages that need not run."""
        return [self.rows[node["fingerprint"]] for node in self.document["nodes"] if not self.is_missing(node)]

    @property
    def joined(self) -> bool:
        """Every target that has to run was already wanted by somebody else."""
        wanted = [self.rows[target] for target in self.document["targets"] if target in self.missing]
        return bool(wanted) and all(row.state in ("wanted", "running") for row in wanted)

    @property
    def at_work(self) -> bool:
        """One of the stages that have to run is running already."""
        return any(self.rows[fingerprint].state == "running" for fingerprint in self.missing)

    @property
    def queues(self) -> frozenset[str]:
        """The kinds of workers that have something to do."""
        return frozenset(self.rows[fingerprint].queue for fingerprint in self.missing)

    def is_missing(self, node: dict[str, Any]) -> bool:
        """Whether a stage of the document has to run."""
        return node["fingerprint"] in self.missing


@cache
def _adding(dialect: str) -> Any:
    insert = upsert_of(dialect, counters)
    return insert.on_conflict_do_update(
        index_elements=["name"], set_={"value": counters.c.value + insert.excluded.value}
    )


@cache
def _edges(dialect: str) -> Any:
    return upsert_of(dialect, stage_inputs).on_conflict_do_nothing()


def count(connection: Connection, name: str, amount: int = 1) -> None:
    """Add to a counter that survives restarts."""
    count_all(connection, {name: amount})


def count_all(connection: Connection, amounts: Mapping[str, int]) -> None:
    """Add to several counters."""
    if rows := [{"name": name, "value": amount} for name, amount in amounts.items() if amount]:
        connection.execute(_adding(connection.dialect.name), rows)


def enlist(
    connection: Connection,
    blobs: Storage,
    *,
    tenant: str,
    document: dict[str, Any],
    run_id: str,
    priority: int,
    now: float,
    position: int = 0,
) -> Survey:
    """Survey a plan and enter it for a run that is written down already."""
    found = survey(connection, blobs, tenant=tenant, document=document)
    enter(connection, found, run_id=run_id, priority=priority, now=now, position=position)
    return found


def survey(connection: Connection, blobs: Storage, *, tenant: str, document: dict[str, Any]) -> Survey:
    """See which stages of a plan have to run; what nobody has planned before is written down."""
    nodes: list[dict[str, Any]] = document["nodes"]
    rows = _rows(connection, tenant, nodes)
    return Survey(document, rows, _needed(blobs, nodes, rows, set(document["targets"])))


def enter(connection: Connection, found: Survey, *, run_id: str, priority: int, now: float, position: int = 0) -> None:
    """Write the run's interest in every stage of the plan and want those that are absent.

    `position` is that of the first stage among all of the run.
    """
    nodes, rows, needed = found.document["nodes"], found.rows, found.missing
    limit, held = found.document.get("batch_limit"), _waiting(nodes, rows, needed)
    want(connection, [rows[fp] for fp in needed], priority=priority, now=now, batch_limit=limit, held=held)
    connection.execute(
        _PLAN,
        [
            {
                "run_id": run_id,
                "stage_id": rows[node["fingerprint"]].id,
                "position": place,
                "target": node["fingerprint"] in found.document["targets"],
                "interest": node["fingerprint"] in needed,
            }
            for place, node in enumerate(nodes, position)
        ],
    )
    _touch(connection, found.kept, now)
    _count_reuse(connection, nodes, needed, joined=found.joined)


_PLAN = run_stages.insert()


def _rows(connection: Connection, tenant: str, nodes: list[dict[str, Any]]) -> dict[str, AnyRow]:
    """The stage rows of a plan by fingerprint, made where they are missing."""
    rows = _find(connection, tenant, nodes)
    missing = [node for node in nodes if node["fingerprint"] not in rows]
    _keep_longer(connection, nodes, rows)
    if missing:
        rows |= _insert(connection, tenant, missing)
        # Of all: a stage that is there may have lost its inputs with the job that made them.
        _insert_edges(connection, nodes, rows)
    return rows


READ = (
    stages.c.id, stages.c.fingerprint, stages.c.name, stages.c.queue, stages.c.keep, stages.c.state, stages.c.output,
    stages.c.output_bytes, stages.c.priority,
)  # fmt: skip


_FIND = (
    select(*READ)
    .where(stages.c.tenant == bindparam("tenant"), stages.c.fingerprint.in_(bindparam("fingerprints", expanding=True)))
    .order_by(stages.c.id)
)
_ADD = stages.insert().returning(*READ)


def _find(connection: Connection, tenant: str, nodes: list[dict[str, Any]]) -> dict[str, AnyRow]:
    wanted = {"tenant": tenant, "fingerprints": [node["fingerprint"] for node in nodes]}
    return {row.fingerprint: row for row in connection.execute(_FIND, wanted).all()}


def _keep_longer(connection: Connection, nodes: list[dict[str, Any]], rows: dict[str, AnyRow]) -> None:
    """Keep what one run lets go with its end for another that wants it kept."""
    kept = [
        rows[node["fingerprint"]].id
        for node in nodes
        if node["fingerprint"] in rows and node["keep"] == "latent" and rows[node["fingerprint"]].keep == "transient"
    ]
    if kept:
        connection.execute(update(stages).where(stages.c.id.in_(kept)).values(keep="latent"))


def _insert(connection: Connection, tenant: str, nodes: list[dict[str, Any]]) -> dict[str, AnyRow]:
    values = [{"tenant": tenant, "state": "absent", **node} for node in nodes]
    return {row.fingerprint: row for row in connection.execute(_ADD, values).all()}


def _insert_edges(connection: Connection, nodes: list[dict[str, Any]], rows: dict[str, AnyRow]) -> None:
    edges = {
        (rows[node["fingerprint"]].id, rows[part["stage"]].id)
        for node in nodes
        for part in node["inputs"]
        if "stage" in part
    }
    if edges:
        rows_of = [{"stage_id": stage, "input_id": source} for stage, source in sorted(edges)]
        connection.execute(_edges(connection.dialect.name), rows_of)


def _needed(blobs: Storage, nodes: list[dict[str, Any]], rows: dict[str, AnyRow], targets: set[str]) -> dict[str, None]:
    """Fingerprints that have no result, found from the targets backwards; in plan order."""
    inputs = {node["fingerprint"]: [part["stage"] for part in node["inputs"] if "stage" in part] for node in nodes}
    pending, needed = list(targets), set()
    while pending:
        fingerprint = pending.pop()
        if fingerprint not in needed and not has_result(blobs, rows[fingerprint]):
            needed.add(fingerprint)
            pending.extend(inputs[fingerprint])
    return {node["fingerprint"]: None for node in nodes if node["fingerprint"] in needed}


def has_result(blobs: Storage, row: AnyRow) -> bool:
    """A stage is done only while its blob is there, whole."""
    return row.state == "done" and (row.output is None or blobs.exists(row.output, row.output_bytes))


_WANT = (
    update(stages)
    .where(stages.c.id.in_(bindparam("resting", expanding=True)))
    .values(
        state="wanted", priority=bindparam("level"), wanted_at=bindparam("at"), owner=None, lease_until=None,
        attempts=0, crashes=0, fraction=0.0, error=None, report=None, output=None, output_bytes=None, seconds=None,
        batch_limit=bindparam("limit"), held=stages.c.id.in_(bindparam("held_ids", expanding=True)),
    )
)  # fmt: skip


def want(
    connection: Connection,
    rows: Iterable[AnyRow],
    *,
    priority: int,
    now: float,
    batch_limit: int | None = None,
    held: Sequence[int] = (),
) -> None:
    """Ask for stages: start those that are at rest, lift the others to a better priority.

    `batch_limit` holds for those that are started; who joins them takes them as they are. `held` are the ids of those
    that wait for others.
    """
    rows = list(rows)
    _interest_all(connection, rows, [row.id for row in rows if row.state == "done"])
    resting = [row.id for row in rows if row.state in ("absent", "failed", "done")]
    busy = [row.id for row in rows if row.state in ("wanted", "running") and row.priority > priority]
    if resting:
        values = {"resting": resting, "held_ids": list(held), "at": now, "level": priority, "limit": batch_limit}
        connection.execute(_WANT, values)
    if busy:
        connection.execute(update(stages).where(stages.c.id.in_(busy)).values(priority=priority))


def _waiting(nodes: list[dict[str, Any]], rows: dict[str, AnyRow], needed: dict[str, None]) -> list[int]:
    """What waits for another stage of the plan."""
    return [
        rows[node["fingerprint"]].id
        for node in nodes
        if node["fingerprint"] in needed and any(part.get("stage") in needed for part in node["inputs"])
    ]


def release(connection: Connection, stage_id: int) -> None:
    """A stage is done: look again at those that take what it made."""
    takers = select(stage_inputs.c.stage_id).where(stage_inputs.c.input_id == stage_id)
    connection.execute(update(stages).where(stages.c.id.in_(takers), stages.c.held).values(held=False))


def _interest_all(connection: Connection, rows: list[AnyRow], lost: list[int]) -> None:
    """Runs that counted on a result that is lost want it made again too, whoever found out."""
    if lost:
        counting = (
            select(run_stages.c.run_id)
            .join(runs, runs.c.id == run_stages.c.run_id)
            .where(run_stages.c.stage_id.in_(lost), runs.c.state.in_(UNFINISHED))
        )
        connection.execute(
            update(run_stages)
            .where(run_stages.c.run_id.in_(counting), run_stages.c.stage_id.in_([row.id for row in rows]))
            .values(interest=True)
        )


def _touch(connection: Connection, kept: list[AnyRow], now: float) -> None:
    """Last use is noted at most once an hour."""
    if kept:
        stale = and_(
            stages.c.id.in_([row.id for row in kept]), func.coalesce(stages.c.last_used_at, 0.0) < now - 3600.0
        )
        connection.execute(update(stages).where(stale).values(last_used_at=now))


def _count_reuse(connection: Connection, nodes: list[dict[str, Any]], needed: dict[str, None], *, joined: bool) -> None:
    by_tier = {"latents": [0, 0], "stages": [0, 0]}
    for node in nodes:
        tier = "latents" if node["keep"] == "latent" else "stages"
        by_tier[tier][node["fingerprint"] in needed] += 1
    amounts = {"cache.stages.joined": int(joined)}
    for tier, (hits, misses) in by_tier.items():
        amounts |= {f"cache.{tier}.hits": hits, f"cache.{tier}.misses": misses}
    count_all(connection, amounts)


def withdraw(connection: Connection, run_id: str, keep: Iterable[str] = ()) -> list[str]:
    """End a run's interest; stages that nobody else wants become absent. Returns the owners to be told.

    `keep` are fingerprints of stages that go on: the run is about to want them again.
    """
    mine = select(run_stages.c.stage_id).where(run_stages.c.run_id == run_id, run_stages.c.interest)
    others = (
        select(run_stages.c.stage_id, func.min(runs.c.priority).label("priority"))
        .join(runs, runs.c.id == run_stages.c.run_id)
        .where(
            run_stages.c.interest,
            run_stages.c.run_id != run_id,
            run_stages.c.stage_id.in_(mine),
            runs.c.state.in_(UNFINISHED),
        )
        .group_by(run_stages.c.stage_id)
    )
    still = {row.stage_id: row.priority for row in connection.execute(others)}
    unfinished = connection.execute(
        select(stages.c.id, stages.c.owner, stages.c.priority).where(
            stages.c.id.in_(mine), stages.c.state.in_(("wanted", "running")), stages.c.fingerprint.not_in(list(keep))
        )
    ).all()
    dropped = [row.id for row in unfinished if row.id not in still]
    if dropped:
        connection.execute(
            update(stages).where(stages.c.id.in_(dropped)).values(state="absent", owner=None, lease_until=None)
        )
    changed = {row.id: still[row.id] for row in unfinished if row.id in still and still[row.id] != row.priority}
    if changed:
        levels = case(changed, value=stages.c.id)
        connection.execute(update(stages).where(stages.c.id.in_(list(changed))).values(priority=levels))
    connection.execute(update(run_stages).where(run_stages.c.run_id == run_id).values(interest=False))
    return [row.owner for row in unfinished if row.id in dropped and row.owner]
