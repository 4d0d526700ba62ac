"""The published vocabulary as data: each word, its synonyms and its plural, and what it means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType

from orfeas.domain.presets import STYLES


class Part(StrEnum):
    """What a word does in a sentence."""

    SHAPE = "shape"
    SIZE = "size"
    PROPORTION = "proportion"
    FORM = "form"
    COUNT = "count"
    LAYOUT = "layout"
    RELATION = "relation"
    COLOR = "color"
    SHADE = "shade"
    MATERIAL = "material"
    TEETH = "teeth"
    UNIT = "unit"
    ARTICLE = "article"
    JOIN = "join"
    WITH = "with"
    PRONOUN = "pronoun"
    STYLE = "style"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word or phrase stands for; `value` is the first word of its line in the vocabulary."""

    part: Part
    value: str
    plural: bool = False


PRIMITIVES = (
    "cube/box/block", "cuboid/brick", "sphere/ball/orb/globe", "cylinder/disc/disk", "cone", "pyramid",
    "torus/ring/donut/doughnut", "capsule/pill", "tube/pipe", "prism", "tetrahedron", "octahedron", "dodecahedron",
    "icosahedron", "ellipsoid/egg", "hemisphere/dome", "wedge/ramp", "star", "heart", "gear/cog/cogwheel/gearwheel",
    "helix/spring", "arrow", "cross", "plate/slab",
)  # fmt: skip
OBJECTS = (
    "table/desk", "chair", "stool", "shelf/bookshelf", "house", "tower/castle", "tree", "mushroom/toadstool", "snowman",
    "rocket/spaceship", "lamp", "mug/cup", "bowl", "vase", "bottle", "hammer", "dumbbell/barbell", "key", "button",
    "coin", "stairs/staircase/stair/steps", "arch/archway", "bridge",
)  # fmt: skip
SIZES = ("tiny/mini/miniature/minuscule", "small/little", "medium", "large/big", "huge/giant/gigantic/enormous")
PROPORTIONS = ("tall/high", "short/low", "wide/broad", "narrow/slim", "flat", "thin/slender", "thick/fat", "long")
FORMS = (
    "hollow", "rounded/round", "smooth", "faceted", "twisted/spiral/spiralled", "tapered/tapering", "hole/holes/bore",
    "handle/handles/handled", "open", "half/halved",
)  # fmt: skip
COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
LAYOUTS = MappingProxyType(
    {
        "row": ("row", "line", "in a row", "in row", "in a line", "in line", "side by side", "lined up"),
        "ring": ("circle", "in a ring", "in ring", "in a circle", "in circle"),
        "grid": ("grid", "in a grid", "in grid"),
        "stack": (
            "stack",
            "pile",
            "stacked",
            "in a stack",
            "in a pile",
            "on top of each other",
            "on top of one another",
            "piled",
        ),
    }
)
RELATIONS = MappingProxyType(
    {
        "on": ("on", "on top of", "on top", "atop", "upon", "onto", "above", "over"),
        "under": ("under", "below", "beneath", "underneath"),
        "beside": ("beside", "next to", "near", "by", "alongside"),
        "front": ("in front of", "in front"),
        "behind": ("behind", "in back of"),
        "inside": ("inside", "inside of", "in", "within", "into"),
        "around": ("around", "surrounding", "all around", "round about"),
        "between": ("between", "in between"),
    }
)
COLORS = MappingProxyType(
    {
        "black": "#1a1a1a", "white": "#f5f5f2", "gray": "#808080", "silver": "#c0c0c0", "red": "#d02b27",
        "orange": "#f28020", "yellow": "#f7cf1d", "green": "#3a9a3f", "blue": "#2457c5", "purple": "#7a2f9b",
        "pink": "#f48fb1", "brown": "#7a4a25", "beige": "#e5d5b0", "gold": "#d9a520", "cyan": "#1fc3d6",
        "magenta": "#d023a0", "navy": "#15245c", "teal": "#11807d", "olive": "#78801f", "maroon": "#7a1626",
        "turquoise": "#34c9b9", "violet": "#8f5ad6",
    }
)  # fmt: skip
"""sRGB; strong enough to be told apart under a studio light, softer than the corners of the colour cube."""
COLOR_SYNONYMS = MappingProxyType({"grey": "gray", "aqua": "cyan"})
MATERIALS = MappingProxyType(
    {
        "metal": ("metal/metallic", "steel", "iron", "aluminium/aluminum", "copper", "bronze/brass", "gold", "silver",
                  "chrome"),
        "plastic": ("plastic",),
        "wood": ("wood/wooden/timber", "oak/oaken", "pine", "walnut"),
        "glass": ("glass", "crystal"),
        "ceramic": ("ceramic", "porcelain", "clay", "stone", "marble"),
        "rubber": ("rubber",),
    }
)  # fmt: skip
"""Material presets and their kinds; gold and silver are colours as well."""
UNITS_MM = MappingProxyType({"mm": 1.0, "millimetre": 1.0, "millimeter": 1.0, "cm": 10.0, "centimetre": 10.0,
                             "centimeter": 10.0, "inch": 25.4})  # fmt: skip
NUMBERS = MappingProxyType({word: number for number, word in enumerate(COUNTS, 1)} | {"pair": 2, "dozen": 12})
TEETH = (6, 60)

_IRREGULAR = {
    "torus": "tori", "prism": "prisms", "tetrahedron": "tetrahedra", "octahedron": "octahedra",
    "dodecahedron": "dodecahedra", "icosahedron": "icosahedra", "helix": "helices", "shelf": "shelves",
    "bookshelf": "bookshelves", "snowman": "snowmen", "stairs": "stairs", "steps": "steps", "inch": "inches",
}  # fmt: skip
_STOP = (
    "of is are was be being been made make makes create creates creating generate draw drawing build show give model"
    " models render rendering rendered picture image photo photograph please me my i want would like need some any"
    " this these those to from for as at very quite really rather nice nicely beautiful pretty cute 3d d printable"
    " simple its his her their there here has have having one's stands standing sits sitting lies lying placed put"
    " shaped shape shapes object objects scene sized size coloured colored color colour material kind so but or"
    " printed print each other another shiny matte colourful just only also side up out"
)
_STYLE_PHRASES = ("low poly", "3d render", "digital art", "photo realistic")


LONGEST_PHRASE = 5


@cache
def vocabulary() -> dict[str, list[str]]:
    """The published words by class: first words and synonyms."""
    single = [form for form in FORMS if form.split("/")[0] not in ("hole", "handle")]
    return {
        "primitives": _listed(PRIMITIVES),
        "objects": _listed(OBJECTS),
        "sizes": [*_listed(SIZES + PROPORTIONS), "<n> mm", "<n> cm", "<n> inch", "<a> x <b> x <c> mm"],
        "form": [*_listed(single), "with a hole", "with a handle", "with <n> teeth"],
        "counts": [*COUNTS, "pair", "dozen"],
        "layout": [phrase for phrases in (*LAYOUTS.values(), *RELATIONS.values()) for phrase in phrases],
        "colours": [*COLORS, *COLOR_SYNONYMS, "light", "dark", "#rrggbb"],
        "materials": [word for kinds in MATERIALS.values() for word in _listed(kinds)],
    }


@cache
def phrases() -> MappingProxyType[tuple[str, ...], Meaning]:
    """Every word and phrase that is known, split at its spaces."""
    found: dict[tuple[str, ...], Meaning] = {}
    for text, meaning in _entries():
        found.setdefault(tuple(text.split()), meaning)
    return MappingProxyType(found)


@cache
def words() -> tuple[str, ...]:
    """Single words that a wrong one may have been meant for."""
    small = {Part.ARTICLE, Part.STOP, Part.JOIN, Part.WITH, Part.PRONOUN, Part.UNIT, Part.STYLE}
    return tuple(sorted(key[0] for key, meaning in phrases().items() if len(key) == 1 and meaning.part not in small))


def _entries() -> Iterator[tuple[str, Meaning]]:
    """Phrases in the order of who keeps a word that two lines claim."""
    for line in PRIMITIVES + OBJECTS:
        yield from _shapes(line.split("/"))
    for part, lines in ((Part.SIZE, SIZES), (Part.PROPORTION, PROPORTIONS), (Part.FORM, FORMS)):
        yield from _lines(part, lines)
    yield from ((word, Meaning(Part.COUNT, str(number))) for word, number in NUMBERS.items())
    yield from (("half a dozen", Meaning(Part.COUNT, "6")), ("half dozen", Meaning(Part.COUNT, "6")))
    for part, table in ((Part.LAYOUT, LAYOUTS), (Part.RELATION, RELATIONS)):
        yield from ((phrase, Meaning(part, name)) for name, phrases in table.items() for phrase in phrases)
    for material, kinds in MATERIALS.items():
        yield from _kinds(material, kinds)
    yield from ((color, Meaning(Part.COLOR, color)) for color in COLORS)
    yield from ((other, Meaning(Part.COLOR, color)) for other, color in COLOR_SYNONYMS.items())
    yield from ((shade, Meaning(Part.SHADE, shade)) for shade in ("light", "dark"))
    yield from ((word, Meaning(Part.TEETH, "teeth")) for word in ("teeth", "tooth", "toothed"))
    yield from _units()
    yield from _small_words()


def _lines(part: Part, lines: Iterable[str]) -> Iterator[tuple[str, Meaning]]:
    for line in lines:
        name, *others = line.split("/")
        yield from ((word, Meaning(part, name)) for word in (name, *others))


def _shapes(names: list[str]) -> Iterator[tuple[str, Meaning]]:
    for word in names:
        yield word, Meaning(Part.SHAPE, names[0], plural=False)
        yield _plural(word), Meaning(Part.SHAPE, names[0], plural=True)


def _kinds(material: str, kinds: tuple[str, ...]) -> Iterator[tuple[str, Meaning]]:
    """A preset's own name stands first; a kind is `preset/kind`. Gold and silver are metals where nothing else is."""
    for line in kinds:
        name, *others = line.split("/")
        value = material if name == material else f"{material}/{name}"
        yield from ((word, Meaning(Part.MATERIAL, value)) for word in (name, *others))
    if material == "metal":
        yield from (
            ("golden", Meaning(Part.MATERIAL, "metal/gold")),
            ("silvery", Meaning(Part.MATERIAL, "metal/silver")),
        )


def _units() -> Iterator[tuple[str, Meaning]]:
    for word in UNITS_MM:
        yield word, Meaning(Part.UNIT, word)
        yield _plural(word), Meaning(Part.UNIT, word)


def _small_words() -> Iterator[tuple[str, Meaning]]:
    for style in (*STYLES, *_STYLE_PHRASES):
        yield style.replace("_", " "), Meaning(Part.STYLE, style)
        yield style.replace("_", ""), Meaning(Part.STYLE, style)
    yield from ((word, Meaning(Part.ARTICLE, word)) for word in ("a", "an", "the"))
    yield from ((word, Meaning(Part.JOIN, word)) for word in ("and", "plus", "then"))
    yield from ((word, Meaning(Part.WITH, word)) for word in ("with", "has", "have", "having"))
    yield from ((word, Meaning(Part.PRONOUN, word)) for word in ("it", "them", "him"))
    yield from ((word, Meaning(Part.STOP, word)) for word in _STOP.split())


def _plural(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    return word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")


def _listed(lines: Iterable[str]) -> list[str]:
    return [word for line in lines for word in line.split("/")]
