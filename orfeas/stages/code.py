"""Source code that clients sent, measured."""

from __future__ import annotations

from orfeas.domain import code as source
from orfeas.domain.specs import AnalyzeCode
from orfeas.stages.registry import Progress, Result, implements


@implements(AnalyzeCode)
def analyze(spec: AnalyzeCode, on_progress: Progress) -> Result:
    """Metrics, advice and a score; the code is never run."""
    return Result(None, {"analysis": source.analyze(spec.code, spec.language)})
