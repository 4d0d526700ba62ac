"""The words of one noun phrase, and the thing they make."""

from __future__ import annotations

from dataclasses import dataclass, field

from orfeas.domain.prompt import lexicon
from orfeas.domain.prompt.lexicon import Part
from orfeas.domain.prompt.reading import Token
from orfeas.domain.prompt.scene import Millimetres, Thing

SEVERAL = 3
"""How many `cubes` are, without a number."""


@dataclass(slots=True)
class Words:
    """What was said of a thing so far; of two words for the same, the first counts."""

    count: int | None = None
    layout: str = ""
    size: str = ""
    longest_mm: float | None = None
    box_mm: Millimetres | None = None
    proportions: set[str] = field(default_factory=set)
    forms: set[str] = field(default_factory=set)
    teeth: int | None = None
    color: str = ""
    materials: list[str] = field(default_factory=list)
    shade: str = ""
    after_measure: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said yet."""
        return self == Words(after_measure=self.after_measure)

    def take(self, token: Token) -> None:
        """Add a word. `40 mm tall` tells a length, not a proportion."""
        assert token.meaning is not None
        part, value = token.meaning.part, token.meaning.value
        after_measure, self.after_measure = self.after_measure, part is Part.UNIT and bool(token.numbers)
        if part is Part.UNIT:
            self._measure(token.numbers)
        elif part is Part.PROPORTION:
            self.proportions |= set() if after_measure else {value}
        elif part is Part.FORM:
            self.forms.add(value)
        elif part is Part.MATERIAL:
            self.materials.append(value)
        elif part is Part.COLOR:
            self.color = self.color or lexicon.COLORS.get(value, value)
        elif part in (Part.COUNT, Part.TEETH):
            self._number(part, value)
        elif part in (Part.SIZE, Part.SHADE, Part.LAYOUT):
            setattr(self, part.value, getattr(self, part.value) or value)

    def _measure(self, numbers: tuple[float, ...]) -> None:
        if len(numbers) == 1:
            self.longest_mm = self.longest_mm or numbers[0]
        elif numbers:
            self.box_mm = self.box_mm or (numbers[0], numbers[1], numbers[2])

    def _number(self, part: Part, value: str) -> None:
        if part is Part.COUNT:
            self.count = int(value)
        elif value.isdecimal():
            self.teeth = self.teeth or int(value)

    def absorb(self, later: Words) -> None:
        """Add what was said behind the noun."""
        for name in ("layout", "size", "longest_mm", "box_mm", "teeth", "color", "shade"):
            setattr(self, name, getattr(self, name) or getattr(later, name))
        self.count = self.count if self.count is not None else later.count
        self.proportions |= later.proportions
        self.forms |= later.forms
        self.materials += later.materials

    def thing(self, shape: str) -> Thing:
        """The thing that these words and a noun make."""
        count = self.count or 1
        color, material, kind = self._paint()
        measured = self.box_mm is not None or self.longest_mm is not None
        return Thing(
            shape=shape,
            count=count,
            layout=self.layout if count > 1 else "",
            size="" if measured else self.size,
            longest_mm=None if self.box_mm else self.longest_mm,
            box_mm=self.box_mm,
            proportions=tuple(sorted(self.proportions)),
            forms=tuple(sorted(self.forms)),
            teeth=self.teeth if shape == "gear" else None,
            color=_shaded(color, self.shade),
            material=material,
            kind=kind,
            shade="" if color else self.shade,
        )

    def _paint(self) -> tuple[str, str, str]:
        """Colour, material and its kind. Gold and silver are the colour where another material is named."""
        precious = [name for name in self.materials if name in ("metal/gold", "metal/silver")]
        others = [name for name in self.materials if name not in precious]
        chosen = (others or precious or [""])[0]
        color = self.color or (lexicon.COLORS[precious[0].split("/")[1]] if others and precious else "")
        material, _, kind = chosen.partition("/")
        return color, material, kind


def _shaded(color: str, shade: str) -> str:
    """Light is half way to white, dark a little over half as bright, in sRGB."""
    if not color or not shade:
        return color
    codes = [int(color[place : place + 2], 16) for place in (1, 3, 5)]
    changed = [code + (255 - code) // 2 if shade == "light" else code * 11 // 20 for code in codes]
    return "#" + "".join(f"{code:02x}" for code in changed)
