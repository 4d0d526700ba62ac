"""What a shape is made of before it has its size and place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from manifold3d import Manifold

from orfeas.geometry.parametric.kit import Kit


@dataclass(frozen=True, slots=True)
class Paint:
    """A surface by name: sRGB colour and material, as a thing looks where nothing else is said."""

    color: str
    material: str = "plastic"
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A closed solid of one surface. The words of colour and material are about main pieces."""

    role: str
    solid: Manifold
    paint: Paint
    main: bool = True

    def changed(self, change: Callable[[Manifold], Manifold]) -> Piece:
        """The piece with its solid changed."""
        return replace(self, solid=change(self.solid))


@dataclass(frozen=True, eq=False)
class Body:
    """A shape of one or more pieces that hold together, standing on y = 0.

    Attributes
    ----------
    rest : (x, y, z) or None
        Where the bottom of what lies on it starts to come down, in shares of the bounding box; None: above its middle.
    """

    pieces: tuple[Piece, ...]
    rest: tuple[float, float, float] | None = None

    def changed(self, change: Callable[[Manifold], Manifold]) -> Body:
        """Every piece changed alike; what is gone is left out."""
        kept = [piece.changed(change) for piece in self.pieces]
        return replace(self, pieces=tuple(piece for piece in kept if not piece.solid.is_empty()))

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner, (3,) each."""
        boxes = np.array([piece.solid.bounding_box() for piece in self.pieces])
        return boxes[:, :3].min(axis=0), boxes[:, 3:].max(axis=0)

    @cached_property
    def whole(self) -> Manifold:
        """All pieces as one solid."""
        solid = self.pieces[0].solid
        for piece in self.pieces[1:]:
            solid = solid + piece.solid
        return solid


def main_piece(body: Body) -> Piece:
    """The largest piece that the words are about."""
    return max((piece for piece in body.pieces if piece.main), key=lambda piece: piece.solid.volume())


def with_solid(body: Body, old: Piece, solid: Manifold) -> Body:
    """The body with one of its pieces made otherwise."""
    return replace(body, pieces=tuple(replace(p, solid=solid) if p is old else p for p in body.pieces))


Builder = Callable[[Kit], Body]
NEUTRAL = Paint("#c9c4bb")


def single(solid: Manifold, paint: Paint = NEUTRAL) -> Body:
    """A body of one piece."""
    return Body((Piece("body", solid, paint),))


def body(*pieces: Piece, rest: tuple[float, float, float] | None = None) -> Body:
    """A body of several pieces."""
    return Body(tuple(pieces), rest)


def extra(role: str, solid: Manifold, paint: Paint) -> Piece:
    """A piece that keeps its own surface, whatever the words say."""
    return Piece(role, solid, paint, main=False)


def main(role: str, solid: Manifold, paint: Paint) -> Piece:
    """A piece that takes the colour and the material of the words."""
    return Piece(role, solid, paint)
