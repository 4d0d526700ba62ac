"""A plan: the stages that make what was asked, with all fingerprints known before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from orfeas.domain.fingerprint import fingerprint
from orfeas.domain.stages import Keep, Queue, StageSpec


@dataclass(frozen=True, slots=True)
class Source:
    """A stored blob that a plan starts from.

    `fingerprint` is the hash of what counts: the RGBA8 pixels of a picture, the bytes of a mesh.
    """

    fingerprint: str
    blob: str


@dataclass(frozen=True, eq=False)
class Node:
    """One stage with its inputs. `model` is `{id, revision, loras}` where a stage uses one.

    `nonce` makes the fingerprint private: the id of a run that may share nothing. `keep` is how long the output is
    kept, and `queue` the kind of worker that runs the stage, where that is not what the stage says. The stage is not
    begun before the job `after_job` has ended.
    """

    spec: StageSpec
    inputs: tuple[Node | Source, ...] = ()
    model: dict[str, Any] | None = None
    nonce: str | None = None
    keep: Keep | None = None
    queue: Queue | None = None
    after_job: str | None = None

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """Those of the stage."""
        return self.spec.parameters()

    @cached_property
    def fingerprint(self) -> str:
        """The identity of this stage's output."""
        identity: dict[str, Any] = {
            "stage": self.spec.name,
            "version": self.spec.version,
            "parameters": self.parameters,
            "inputs": [part.fingerprint for part in self.inputs],
        }
        if self.model is not None:
            identity["model"] = self.model
        if self.nonce is not None:
            identity["nonce"] = self.nonce
        return fingerprint(identity)


@dataclass(frozen=True, slots=True)
class Output:
    """A file that the finished run lists. An `early` one is made before the others, as somebody waits to see it."""

    node: Node
    role: str
    format: str
    filename: str
    media_type: str
    up_axis: str | None = None
    verified_by: Node | None = None
    early: bool = False


@dataclass(frozen=True, slots=True)
class Fallback:
    """What a run may do instead when a stage fails with one of `codes`: other stages for this run only."""

    codes: frozenset[str]
    change: dict[str, Any]
    plan: Plan


@dataclass(frozen=True)
class Plan:
    """Outputs that are files of the job, and further stages that must succeed (`also`).

    `batch_limit` is the most items that a stage on a device may share an evaluation with, itself included; it changes
    no result, so no fingerprint has it.
    """

    outputs: tuple[Output, ...]
    also: tuple[Node, ...] = ()
    fallbacks: tuple[Fallback, ...] = field(default=())
    batch_limit: int | None = None

    @cached_property
    def targets(self) -> tuple[Node, ...]:
        """The stages whose success is the success of the run."""
        found: dict[str, Node] = {}
        for output in sorted(self.outputs, key=lambda output: not output.early):
            found.setdefault(output.node.fingerprint, output.node)
            if output.verified_by is not None:
                found.setdefault(output.verified_by.fingerprint, output.verified_by)
        for node in self.also:
            found.setdefault(node.fingerprint, node)
        return tuple(found.values())

    def nodes(self) -> tuple[Node, ...]:
        """Every stage once, inputs before those who use them."""
        return self._nodes

    @cached_property
    def _nodes(self) -> tuple[Node, ...]:
        ordered: dict[str, Node] = {}
        for target in self.targets:
            for node in _inputs_first(target):
                ordered.setdefault(node.fingerprint, node)
        return tuple(ordered.values())

    @cached_property
    def fingerprint(self) -> str:
        """The hash over those of the output stages."""
        makers = [output.node for output in self.outputs] or list(self.also)
        return fingerprint(sorted(node.fingerprint for node in makers))


def privately(plan: Plan, nonce: str) -> Plan:
    """The same plan with fingerprints of its own: it finds nothing stored and leaves nothing to be found."""
    made: dict[str, Node] = {}

    def private(node: Node) -> Node:
        if node.fingerprint not in made:
            inputs = tuple(private(part) if isinstance(part, Node) else part for part in node.inputs)
            made[node.fingerprint] = replace(node, inputs=inputs, nonce=nonce)
        return made[node.fingerprint]

    def private_output(output: Output) -> Output:
        checker = private(output.verified_by) if output.verified_by else None
        return replace(output, node=private(output.node), verified_by=checker)

    return Plan(
        tuple(private_output(output) for output in plan.outputs),
        tuple(private(node) for node in plan.also),
        tuple(replace(fallback, plan=privately(fallback.plan, nonce)) for fallback in plan.fallbacks),
        plan.batch_limit,
    )


def plan_document(plan: Plan) -> dict[str, Any]:
    """The plan as JSON, for rows: its stages in order, which of them are targets, and the files."""
    return {
        "nodes": [_node_document(node) for node in plan.nodes()],
        "targets": [node.fingerprint for node in plan.targets],
        "outputs": [_output_document(output) for output in plan.outputs],
        "batch_limit": plan.batch_limit,
    }


def _node_document(node: Node) -> dict[str, Any]:
    return {
        "fingerprint": node.fingerprint,
        "name": node.spec.name,
        "version": node.spec.version,
        "queue": str(node.queue or node.spec.queue),
        "keep": str(node.keep or node.spec.keep),
        "timeout_s": node.spec.timeout_s,
        "parameters": node.parameters,
        "model": node.model,
        "after_job": node.after_job,
        "inputs": [
            {"stage": part.fingerprint}
            if isinstance(part, Node)
            else {"blob": part.blob, "fingerprint": part.fingerprint}
            for part in node.inputs
        ],
    }


def _output_document(output: Output) -> dict[str, Any]:
    return {
        "stage": output.node.fingerprint,
        "verified_by": output.verified_by.fingerprint if output.verified_by else None,
        "role": output.role,
        "format": output.format,
        "filename": output.filename,
        "media_type": output.media_type,
        "up_axis": output.up_axis,
        "early": output.early,
    }


def _inputs_first(node: Node) -> Iterator[Node]:
    for part in node.inputs:
        if isinstance(part, Node):
            yield from _inputs_first(part)
    yield node
