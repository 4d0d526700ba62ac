"""Sentences of shapes: the published vocabulary, a small grammar, and the scene that a sentence stands for."""

from __future__ import annotations

from orfeas.domain.prompt.lexicon import vocabulary
from orfeas.domain.prompt.parser import NotUnderstoodError, Parsed, parse
from orfeas.domain.prompt.scene import Relation, Scene, Thing

__all__ = ["NotUnderstoodError", "Parsed", "Relation", "Scene", "Thing", "parse", "vocabulary"]
