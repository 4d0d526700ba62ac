"""Lines and brackets of languages that are not parsed: comments and strings are told apart by their marks."""

from __future__ import annotations

import re
from bisect import bisect_left
from types import MappingProxyType
from typing import Any

from orfeas.domain.code.report import Report, suggestion

STRINGS = r'"(?:\\.|[^"\\\n])*"?|\'(?:\\.|[^\'\\\n])*\'?'
TEMPLATES = r"`(?:\\.|[^`\\])*`?"
COMMENT = r"//[^\n]*|/\*.*?(?:\*/|\Z)"

COMMENTS = MappingProxyType(
    {
        **dict.fromkeys(("javascript", "typescript", "go"), f"(?P<comment>{COMMENT})|{TEMPLATES}|{STRINGS}"),
        **dict.fromkeys(("java", "c", "cpp", "rust", "csharp"), f"(?P<comment>{COMMENT})|{STRINGS}"),
    }
)
"""What is no code, by language; Go's backquoted strings have no escapes, which makes no difference to brackets."""
RUST_LIFETIME = re.compile(r"'(?=[A-Za-z_]\w*\b(?!'))")
PAIRS = {")": "(", "]": "[", "}": "{"}
LONG_LINE = 120


def measure_brackets(code: str, language: str) -> Report:
    """Metrics of lines and brackets; nothing is scored."""
    source = RUST_LIFETIME.sub(" ", code) if language == "rust" else code
    comments: list[tuple[int, int]] = []

    def blank(found: re.Match[str]) -> str:
        if found["comment"] is not None:
            comments.append(found.span())
        return re.sub(r"[^\n]", " " if found["comment"] is not None else "_", found[0])

    bare = re.sub(COMMENTS[language], blank, source, flags=re.DOTALL)
    lines, code_lines = code.splitlines(), [number for number, text in enumerate(bare.splitlines()) if text.strip()]
    breaks = [found.start() for found in re.finditer("\n", code)]
    commented = {
        number
        for start, end in comments
        for number in range(bisect_left(breaks, start), bisect_left(breaks, max(start, end - 1)) + 1)
    }
    depth, unmatched, first = _brackets(bare)
    metrics: dict[str, Any] = {
        "lines": len(lines),
        "code_lines": len(code_lines),
        "comment_lines": len(commented - set(code_lines)),
        "max_nesting": depth,
        "unmatched_brackets": unmatched,
        "max_line_length": max((len(line) for line in lines), default=0),
    }
    return Report(None, metrics, _advice(lines, unmatched, first))


def _brackets(bare: str) -> tuple[int, int, int]:
    """Deepest nesting, brackets without partner, and the line of the first such."""
    open_ones: list[tuple[str, int]] = []
    depth, unmatched, first, line = 0, 0, 0, 1
    for mark in re.findall(r"[\n()\[\]{}]", bare):
        if mark == "\n":
            line += 1
        elif mark in PAIRS.values():
            open_ones.append((mark, line))
            depth = max(depth, len(open_ones))
        elif open_ones and open_ones[-1][0] == PAIRS[mark]:
            open_ones.pop()
        else:
            unmatched, first = unmatched + 1, first or line
    if open_ones:
        first = min(first or open_ones[0][1], open_ones[0][1])
    return depth, unmatched + len(open_ones), first


def _advice(lines: list[str], unmatched: int, first: int) -> list[dict[str, Any]]:
    found = []
    if unmatched:
        found.append(suggestion(first, "unmatched_bracket", f"{unmatched} brackets have no partner."))
    for number, line in enumerate(lines, 1):
        if len(line) > LONG_LINE:
            found.append(
                suggestion(number, "long_line", f"The line has {len(line)} characters; {LONG_LINE} read well.")
            )
    return found
