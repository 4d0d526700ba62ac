"""Write the generated parts of README.md and docs/ in the working folder."""

from __future__ import annotations

import sys
from pathlib import Path

from orfeas.reference import pages, rewritten

for page in pages(Path()):
    before = page.read_text(encoding="utf-8")
    after = rewritten(before)
    if after != before:
        page.write_text(after, encoding="utf-8")
        sys.stdout.write(f"{page}\n")
