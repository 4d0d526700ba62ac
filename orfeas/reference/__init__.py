"""The parts of the documents that are written from the code: `make docs`.

A page marks such a part by `<!-- made: NAME -->` and `<!-- end -->`. What stands between them is replaced, so a page
can mix it with text by hand, and a test fails where a page is older than the code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from orfeas.reference.commands import commands, commands_table
from orfeas.reference.endpoints import endpoints
from orfeas.reference.tables import problems_table, settings_table

PARTS: Mapping[str, Callable[[], str]] = {
    "settings": settings_table,
    "problems": problems_table,
    "commands": commands,
    "commands-table": commands_table,
    "endpoints": endpoints,
}
_PART = re.compile(r"(?P<start><!-- made: (?P<name>[a-z-]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def rewritten(text: str) -> str:
    """A page with its generated parts as they are now."""
    return _PART.sub(lambda found: f"{found['start']}\n{PARTS[found['name']]()}\n\n{found['end']}", text)


def pages(root: Path) -> list[Path]:
    """Every document of a checkout."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
