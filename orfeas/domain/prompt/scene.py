"""What a sentence stands for: things, their properties and how they lie to each other."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields
from typing import Any

from orfeas.domain.fingerprint import canonical_json, fingerprint

Millimetres = tuple[float, float, float]

SIZE_MM = {"tiny": 10.0, "small": 25.0, "medium": 50.0, "large": 100.0, "huge": 200.0}
"""Longest side of a thing that a word of size names."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One shape, or several alike.

    Attributes
    ----------
    shape : str
        First word of its line in the vocabulary.
    count : int
        1 to 12.
    layout : str
        How several lie to each other: row, ring, grid, stack, or empty.
    size : str
        A word of `SIZE_MM`, or empty.
    longest_mm : float or None
        Longest side; goes before the word.
    box_mm : (width, height, depth) or None
        All sides; goes before both.
    proportions : tuple of str
        tall, short, wide, narrow, flat, thin, thick, long; sorted, each once.
    forms : tuple of str
        hollow, rounded, smooth, faceted, twisted, tapered, hole, handle, open, half; sorted, each once.
    teeth : int or None
        Of a gear.
    color : str
        `#rrggbb`, or empty.
    material : str
        A material preset, or empty; `kind` is one of its kinds, such as copper.
    shade : str
        light or dark, of a material without a colour.
    """

    shape: str
    count: int = 1
    layout: str = ""
    size: str = ""
    longest_mm: float | None = None
    box_mm: Millimetres | None = None
    proportions: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    teeth: int | None = None
    color: str = ""
    material: str = ""
    kind: str = ""
    shade: str = ""

    @property
    def names_size(self) -> bool:
        """Whether the sentence gives it a size in millimetres, by a word or a number."""
        return bool(self.size or self.longest_mm or self.box_mm)


@dataclass(frozen=True, slots=True)
class Relation:
    """How a thing lies to others: on, under, beside, front, behind, inside, around, between.

    `subject` and `objects` are positions in the scene's things.
    """

    kind: str
    subject: int
    objects: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """A sentence without its wording: equal for synonyms. `layout` is that of things without a relation."""

    things: tuple[Thing, ...]
    relations: tuple[Relation, ...] = ()
    layout: str = ""

    @property
    def names_size(self) -> bool:
        """Whether any thing has a size of its own; else the whole is 100 mm at its longest side."""
        return any(thing.names_size for thing in self.things)

    @property
    def fingerprint(self) -> str:
        """Identity of the prompt."""
        return fingerprint(self.document())

    def document(self) -> dict[str, Any]:
        """The scene as plain JSON: what is not said is left out."""
        return dict(_plain(self))

    def json(self) -> str:
        """The document in its only spelling; the parameter of the stage that builds the scene."""
        return canonical_json(self.document())

    @classmethod
    def read(cls, document: str | dict[str, Any]) -> Scene:
        """The scene of a document or of its JSON text."""
        found = json.loads(document) if isinstance(document, str) else document
        return cls(
            things=tuple(Thing(**_tuples(thing)) for thing in found["things"]),
            relations=tuple(Relation(**_tuples(relation)) for relation in found.get("relations", [])),
            layout=found.get("layout", ""),
        )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(member) for member in value]
    if not hasattr(value, "__dataclass_fields__"):
        return value
    members = {field: getattr(value, field.name) for field in fields(value)}
    return {field.name: _plain(member) for field, member in members.items() if _is_said(field.default, member)}


def _is_said(default: Any, member: Any) -> bool:
    return default is MISSING or member != default


def _tuples(document: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(member) if isinstance(member, list) else member for name, member in document.items()}
