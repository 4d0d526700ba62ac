"""What is measured of code that is not parsed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orfeas.domain.code.brackets import COMMENTS, LONG_LINE, measure_brackets

GO = """// area of a shape
func area(r float64) float64 {
    /* a bracket ( in a comment
       counts for nothing */
    text := "nor ] in a string" + `nor {
in a template`
    return f(r, []int{1, 2})
}
"""


def test_lines_and_brackets_are_counted_outside_comments_and_strings() -> None:
    found = measure_brackets(GO, "go")
    assert found.metrics == {
        "lines": 8, "code_lines": 5, "comment_lines": 3, "max_nesting": 3, "unmatched_brackets": 0,
        "max_line_length": max(map(len, GO.splitlines())),
    }  # fmt: skip
    assert found.suggestions == []


@pytest.mark.parametrize(
    "code, language, unmatched, line",
    [
        ("f(\n", "java", 1, 1),
        ("a\n)\n", "c", 1, 2),
        ("(\n]\n", "cpp", 2, 1),
        ("fn longest<'a>(x: &'a str) -> char { '{' }", "rust", 0, 0),
        ("let s = 'it\\'s (';", "javascript", 0, 0),
        ("/* never closed (", "csharp", 0, 0),
    ],
)
def test_a_bracket_without_a_partner_is_shown_where_it_stands(code, language, unmatched, line):
    found = measure_brackets(code, language)
    assert found.metrics["unmatched_brackets"] == unmatched
    assert [advice["line"] for advice in found.suggestions] == ([line] if unmatched else [])


def test_long_lines_are_named() -> None:
    found = measure_brackets("x;\n" + "y" * (LONG_LINE + 1), "typescript")
    assert [(advice["line"], advice["code"]) for advice in found.suggestions] == [(2, "long_line")]


@given(st.text(alphabet="()[]{}\"'`/*\\\n ab", max_size=200), st.sampled_from(sorted(COMMENTS)))
@settings(max_examples=200, deadline=None)
def test_any_text_is_measured(code, language):
    metrics = measure_brackets(code, language).metrics
    assert 0 <= metrics["code_lines"] <= max(metrics["lines"], 1)
    assert metrics["unmatched_brackets"] <= sum(code.count(mark) for mark in "()[]{}")
