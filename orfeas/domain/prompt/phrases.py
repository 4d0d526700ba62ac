"""Reads tokens from left to right into things and relations."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orfeas.domain.prompt.lexicon import Meaning, Part
from orfeas.domain.prompt.reading import Token
from orfeas.domain.prompt.scene import Relation, Scene
from orfeas.domain.prompt.words import SEVERAL, Words

MOST_THINGS, MOST_BODIES = 24, 100
"""What one scene may hold; shapes named after that are left out and told."""
HOLDS = {"table": "on", "shelf": "on", "stool": "on", "plate": "on", "chair": "on",
         "bowl": "inside", "mug": "inside", "vase": "inside"}  # fmt: skip
"""Where `with` puts things that no further word places: `a table with a mug`; else beside."""


@dataclass(slots=True)
class _Draft:
    shape: str
    words: Words


@dataclass(slots=True)
class _Link:
    kind: str
    subjects: list[int]
    objects: list[int]


class Reader:
    """One pass over the tokens of a text."""

    def __init__(self, tokens: list[Token]) -> None:
        self.left_out: list[str] = []
        self._tokens = tokens
        self._drafts: list[_Draft] = []
        self._links: list[_Link] = []
        self._words = Words()
        self._behind_noun = False  # words go to the last thing where no noun takes them
        self._definite = False
        self._group: list[int] = []  # things joined by `and`, which the next relation is about
        self._group_ended = False
        self._open: _Link | None = None  # waits for what it relates to
        self._head: int | None = None  # what `with` adds to
        self._layout = ""

    def read(self) -> Scene:
        """The scene of all tokens."""
        for position, token in enumerate(self._tokens):
            if token.meaning is not None:
                self._step(position, token, token.meaning)
        self._give_back()
        things = tuple(draft.words.thing(draft.shape) for draft in self._drafts)
        return Scene(things, self._relations(), self._layout)

    def _step(self, position: int, token: Token, meaning: Meaning) -> None:
        if meaning.value == "torus" and self._gathers(position):
            self._words.layout = self._words.layout or "ring"
        elif meaning.part is Part.SHAPE:
            self._noun(token, meaning)
        elif meaning.part is Part.RELATION:
            self._relation(position, meaning.value)
        elif meaning.part is Part.WITH:
            self._give_back()
            self._head = self._group[-1] if self._group else None
            self._behind_noun = True
        elif meaning.part is Part.JOIN:
            if self._behind_noun:
                self._give_back()
            self._behind_noun = False
        elif meaning.part is Part.ARTICLE:
            self._article(token)
        elif meaning.value in ("hole", "handle"):
            self._fitting(meaning.value)
        elif meaning.part not in (Part.STOP, Part.STYLE, Part.PRONOUN):
            self._modifier(token)

    def _gathers(self, position: int) -> bool:
        """Whether `of` and shapes follow: `a ring of six cones`, but not `a ring of gold`."""
        following = self._tokens[position + 1 : position + 2]
        return bool(following) and following[0].text == "of" and self._noun_follows(position + 2)

    def _noun_follows(self, position: int) -> bool:
        if position >= len(self._tokens) or self._tokens[position].is_a(Part.JOIN):
            return False
        for token in self._tokens[position:]:
            if token.is_a(Part.SHAPE):
                return True
            if token.is_a(Part.RELATION, Part.WITH, Part.PRONOUN):
                return False
        return False

    def _modifier(self, token: Token) -> None:
        if token.is_a(Part.COUNT) and self._behind_noun:
            self._give_back()
            self._behind_noun = False
        self._words.take(token)

    def _article(self, token: Token) -> None:
        if self._behind_noun:
            self._give_back()
        self._definite = token.text == "the"

    def _fitting(self, form: str) -> None:
        """A hole or a handle: of the last thing, or of the next if there is none."""
        if self._drafts and (self._behind_noun or self._head is not None):
            self._words = Words()
            self._drafts[-1 if self._head is None else self._head].words.forms.add(form)
        else:
            self._words.forms.add(form)

    def _give_back(self) -> None:
        """Words behind a noun go to its thing; a layout to all that `and` has joined."""
        if self._drafts and not self._words.is_empty:
            target = self._group[-1] if self._group else -1
            words = self._drafts[target].words
            if self._words.layout and words.count in (None, 1) and len(self._group) > 1:
                self._layout, self._words.layout = self._words.layout, ""
            words.absorb(self._words)
            self._words = Words()

    def _noun(self, token: Token, meaning: Meaning) -> None:
        words, self._words = self._words, Words()
        definite, self._definite = self._definite, False
        self._behind_noun = True
        index = self._mentioned(meaning.value, words) if definite else None
        if index is None:
            index = self._added(token, meaning, words, definite=definite)
        if index is None:
            return
        if self._open is not None:
            self._close(self._open, index)
        elif self._head is not None:
            kind = HOLDS.get(self._drafts[self._head].shape, "beside")
            self._links.append(_Link(kind, [index], [self._head]))
            self._group, self._group_ended = [index], True
        else:
            self._group = [index] if self._group_ended else [*self._group, index]
            self._group_ended = False

    def _mentioned(self, shape: str, words: Words) -> int | None:
        """The thing that `the table` speaks of once more."""
        subjects = self._open.subjects if self._open is not None else []
        for index in range(len(self._drafts) - 1, -1, -1):
            draft = self._drafts[index]
            if draft.shape == shape and index not in subjects and (words.is_empty or _agree(words, draft.words)):
                return index
        return None

    def _added(self, token: Token, meaning: Meaning, words: Words, *, definite: bool) -> int | None:
        if meaning.plural and words.count is None and not definite:
            words.count = SEVERAL
        bodies = sum(draft.words.count or 1 for draft in self._drafts)
        if len(self._drafts) >= MOST_THINGS or bodies + (words.count or 1) > MOST_BODIES:
            self.left_out.append(token.text)
            return None
        self._drafts.append(_Draft(meaning.value, words))
        return len(self._drafts) - 1

    def _relation(self, position: int, kind: str) -> None:
        self._give_back()
        self._behind_noun = False
        if self._noun_follows(position + 1):
            self._open = _Link(kind, list(self._group), [])
            self._head = None
        elif self._links and self._head is not None and self._links[-1].objects == [self._head]:
            self._links[-1].kind = kind
            self._head = None
        elif len(self._drafts) > 1 and self._group:
            last = self._group[-1]
            self._links.append(_Link(kind, [last], [last - 1 if last else 1]))
            self._group = [last]
            self._group_ended = True

    def _close(self, link: _Link, index: int) -> None:
        """Give an open relation what it relates to. One that stood first takes its subject after its object."""
        if not link.subjects and link.objects:
            link.subjects.append(index)
            self._open, self._group, self._group_ended = None, [index], False
        else:
            link.objects.append(index)
            waits = link.kind == "between" and len(link.objects) < 2 and self._drafts[index].words.count in (None, 1)
            if link.subjects and not waits:
                self._open, self._group, self._group_ended = None, [index], True
        if self._open is None:
            self._links.append(link)

    def _relations(self) -> tuple[Relation, ...]:
        """One relation for each subject, its first, without circles."""
        if self._open is not None and self._open.objects:
            self._links.append(self._open)
        found: dict[int, Relation] = {}
        for link in self._links:
            for subject in link.subjects:
                objects = tuple(dict.fromkeys(index for index in link.objects if index != subject))
                if objects and subject not in found and not any(_leads(found, index, subject) for index in objects):
                    found[subject] = Relation(link.kind, subject, objects)
        return tuple(_settled(found[subject]) for subject in sorted(found))


def _agree(asked: Words, said: Words) -> bool:
    """Whether all that was asked for was said of the thing."""
    same_color = not asked.color or asked.color == said.color
    same_size = (not asked.size or asked.size == said.size) and asked.longest_mm in (None, said.longest_mm)
    same_material = set(asked.materials) <= set(said.materials)
    return same_color and same_size and same_material and asked.forms <= said.forms


def _leads(relations: dict[int, Relation], start: int, goal: int) -> bool:
    """Whether relations lead from one thing to another."""
    waiting, seen = [start], set()
    while waiting:
        index = waiting.pop()
        if index == goal:
            return True
        if index not in seen and index in relations:
            seen.add(index)
            waiting.extend(relations[index].objects)
    return False


def _settled(relation: Relation) -> Relation:
    """Only `between` relates to two things."""
    return relation if relation.kind == "between" else replace(relation, objects=relation.objects[:1])
