"""Zip archives whose bytes depend on their content only."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from io import BytesIO

# The earliest date of the format: archives must not tell when they were made.
EPOCH = (1980, 1, 1, 0, 0, 0)
LEVEL = 4


def pack(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files in this order; pictures, already compressed, are stored as they are."""
    target = BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, date_time=EPOCH)
            entry.create_system = 3  # Unix on every machine
            entry.external_attr = 0o644 << 16
            stored = name.endswith((".png", ".jpg"))
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data, compresslevel=None if stored else LEVEL)
    return target.getvalue()
