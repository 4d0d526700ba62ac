"""Source code measured without running it, by its text alone."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from orfeas.domain.code.brackets import COMMENTS, measure_brackets
from orfeas.domain.code.python import measure_python
from orfeas.domain.code.report import Report

PYTHON = "python"
LANGUAGES = (PYTHON, *COMMENTS)

__all__ = ["LANGUAGES", "PYTHON", "analyze"]


def analyze(code: str, language: str) -> dict[str, Any]:
    """Score, metrics and advice for Python; metrics of lines and brackets, without a score, for other languages.

    Parameters
    ----------
    code : str
        The source; it is never run.
    language : str
        One of `LANGUAGES`.
    """
    report: Report = measure_python(code) if language == PYTHON else measure_brackets(code, language)
    found = {**asdict(report), "language": language}
    if report.syntax_error is None:
        del found["syntax_error"]
    return found
