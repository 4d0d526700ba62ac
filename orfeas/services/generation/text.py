"""Sentences as the embedded engine takes them: what they are understood as."""

from __future__ import annotations

from orfeas.domain.prompt import NotUnderstoodError, Parsed, parse
from orfeas.errors import PromptNotUnderstoodError


def understood(prompt: str) -> Parsed:
    """The scene of a sentence.

    Raises
    ------
    PromptNotUnderstoodError
        It names no known shape, or fewer than half of its words are known; with the vocabulary and near matches.
    """
    try:
        return parse(prompt)
    except NotUnderstoodError as error:
        raise PromptNotUnderstoodError.of(
            error.reason,
            unrecognized_words=error.unrecognized_words,
            near=error.near,
            vocabulary=error.vocabulary,
        ) from error


def left_out(parsed: Parsed) -> list[str]:
    """The warning about words that mean nothing here."""
    if not parsed.unrecognized_words:
        return []
    return [f"Words that are not in the vocabulary were left out: {', '.join(parsed.unrecognized_words)}."]
