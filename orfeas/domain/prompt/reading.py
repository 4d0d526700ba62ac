"""A text as tokens: known words and phrases, measures, colours, and what is not known."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from orfeas.domain.prompt import lexicon
from orfeas.domain.prompt.lexicon import Meaning, Part

LARGEST_MM = 10_000.0
SMALLEST_MM = 0.1

# Each alternative starts with another kind of character, so a text is read once from left to right.
_PIECE = re.compile(r"#[0-9a-f]{6}(?![0-9a-z])|\d+(?:[.,]\d+)?|[^\W\d_]+|[,;.!?:×]")
_JOINED = re.compile(r"(?<=\w)'s?\b")
_STOPS = {",": Part.JOIN, ";": Part.JOIN, ".": Part.JOIN, "!": Part.JOIN, "?": Part.JOIN, ":": Part.JOIN}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text. Without a meaning it is unknown; `numbers` are those of a measure, in millimetres."""

    text: str
    meaning: Meaning | None
    numbers: tuple[float, ...] = ()

    def is_a(self, *parts: Part) -> bool:
        """Whether it does one of these things in a sentence."""
        return self.meaning is not None and self.meaning.part in parts


def tokens(text: str) -> list[Token]:
    """The text in pieces, longest phrases first."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("_", " ")
    pieces = _PIECE.findall(_JOINED.sub("", plain))
    found: list[Token] = []
    position = 0
    while position < len(pieces):
        token, used = _next(pieces, position)
        found.append(token)
        position += used
    return found


def _next(pieces: list[str], position: int) -> tuple[Token, int]:
    piece = pieces[position]
    if piece[0] == "#":
        return Token(piece, Meaning(Part.COLOR, piece)), 1
    if piece[0].isdecimal():
        return _number(pieces, position)
    if piece in _STOPS:
        return Token(piece, Meaning(_STOPS[piece], piece)), 1
    if piece == "×":
        return Token(piece, Meaning(Part.STOP, piece)), 1
    known = lexicon.phrases()
    for length in range(min(lexicon.LONGEST_PHRASE, len(pieces) - position), 0, -1):
        phrase = tuple(pieces[position : position + length])
        if phrase in known:
            return Token(" ".join(phrase), known[phrase]), length
    return Token(piece, None), 1


def _number(pieces: list[str], position: int) -> tuple[Token, int]:
    """A measure of one or three sides, a count, a number of teeth, or a number that says nothing."""
    for sides in (3, 1):
        measure = _measure(pieces, position, sides)
        if measure is not None:
            return measure
    piece = pieces[position]
    after = pieces[position + 1] if position + 1 < len(pieces) else ""
    if after in ("teeth", "tooth", "toothed"):
        return _teeth(piece, after)
    if piece == "3" and after == "d":
        return Token("3d", Meaning(Part.STOP, "3d")), 2
    count = _whole(piece)
    return Token(piece, Meaning(Part.COUNT, str(count)) if 1 <= count <= 12 else None), 1


def _teeth(piece: str, after: str) -> tuple[Token, int]:
    """As many teeth as a gear may have; other numbers are not understood."""
    low, high = lexicon.TEETH
    count = _whole(piece)
    return Token(f"{piece} {after}", Meaning(Part.TEETH, str(count)) if low <= count <= high else None), 2


def _whole(piece: str) -> int:
    """A short whole number; 0 for others."""
    return int(piece) if piece.isdecimal() and len(piece) <= 4 else 0


def _measure(pieces: list[str], position: int, sides: int) -> tuple[Token, int] | None:
    """`40 mm` or `10 x 20 x 30 mm`, each number with a unit of its own or the last one's."""
    numbers: list[tuple[float, str]] = []
    place = position
    for side in range(sides):
        if side and not (place < len(pieces) and pieces[place] in ("x", "×", "by")):
            return None
        place += bool(side)
        if place >= len(pieces) or not pieces[place][0].isdecimal():
            return None
        number = float(pieces[place].replace(",", "."))
        unit = _unit(pieces[place + 1 : place + 2])
        numbers.append((number, unit))
        place += 1 + bool(unit)
    if not numbers[-1][1]:
        return None
    values = tuple(number * lexicon.UNITS_MM[unit or numbers[-1][1]] for number, unit in numbers)
    text = " ".join(pieces[position:place])
    if not all(SMALLEST_MM <= value <= LARGEST_MM for value in values):
        return Token(text, None), place - position
    return Token(text, Meaning(Part.UNIT, "mm"), numbers=values), place - position


def _unit(rest: list[str]) -> str:
    """The unit that stands first, or nothing."""
    meaning = lexicon.phrases().get((rest[0],)) if rest else None
    return meaning.value if meaning is not None and meaning.part is Part.UNIT else ""


def unknown(found: list[Token]) -> Iterator[str]:
    """Texts of the pieces that mean nothing here, each once, in order."""
    yield from dict.fromkeys(token.text for token in found if token.meaning is None)
