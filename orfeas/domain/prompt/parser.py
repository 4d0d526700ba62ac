"""From a text to its scene: a small grammar of noun phrases and relations.

A phrase gathers the words before its noun and those behind it (`made of glass`, `with a hole`, `in a row`); relations
tie what was said last to the next noun, or back to an earlier one (`a table with a lamp on it`, `on the table`).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from orfeas.domain.prompt import lexicon, reading
from orfeas.domain.prompt.lexicon import Part
from orfeas.domain.prompt.phrases import Reader
from orfeas.domain.prompt.reading import Token
from orfeas.domain.prompt.scene import Scene

SMALL = (Part.ARTICLE, Part.STOP, Part.JOIN, Part.WITH, Part.PRONOUN, Part.STYLE)
"""What is left out before the share of known words is counted."""
NEAR_WORDS, NEAR_MATCHES, NEAR_CUTOFF = 6, 3, 0.7


@dataclass(frozen=True, slots=True)
class Parsed:
    """The scene of a text, and words of it that mean nothing here or speak of the picture's look."""

    scene: Scene
    unrecognized_words: tuple[str, ...] = ()
    style_words: tuple[str, ...] = ()


class NotUnderstoodError(ValueError):
    """A text that names no known shape, or whose words are mostly unknown."""

    def __init__(self, unrecognized_words: tuple[str, ...], *, shapes: int) -> None:
        self.unrecognized_words = unrecognized_words
        self.shapes = shapes
        super().__init__(self.reason)

    @property
    def reason(self) -> str:
        """What is missing, in a sentence."""
        if not self.shapes:
            return "The prompt names none of the shapes of the vocabulary."
        return "Fewer than half of the prompt's words are in the vocabulary."

    @property
    def near(self) -> dict[str, list[str]]:
        """Known words that look like the first unknown ones."""
        pairs = ((word, _alike(word)) for word in self.unrecognized_words[:NEAR_WORDS])
        return {word: alike for word, alike in pairs if alike}

    @property
    def vocabulary(self) -> dict[str, list[str]]:
        """All that is understood, by class."""
        return lexicon.vocabulary()


def parse(text: str) -> Parsed:
    """The scene that a text describes.

    Raises
    ------
    NotUnderstoodError
        No shape is named, or fewer than half of the content words are known.
    """
    tokens = reading.tokens(text)
    content = [token for token in tokens if not token.is_a(*SMALL)]
    unknown = tuple(dict.fromkeys(token.text for token in content if token.meaning is None))
    shapes = sum(token.is_a(Part.SHAPE) for token in content)
    known = sum(token.meaning is not None for token in content)
    if not shapes or 2 * known < len(content):
        raise NotUnderstoodError(unknown, shapes=shapes)
    reader = Reader(tokens)
    scene = reader.read()
    return Parsed(scene, tuple(dict.fromkeys((*unknown, *reader.left_out))), _styles(tokens))


def _styles(tokens: list[Token]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(token.text for token in tokens if token.is_a(Part.STYLE)))


def _alike(word: str) -> list[str]:
    near_length = [known for known in lexicon.words() if abs(len(known) - len(word)) <= 3]
    return difflib.get_close_matches(word, near_length, n=NEAR_MATCHES, cutoff=NEAR_CUTOFF)
