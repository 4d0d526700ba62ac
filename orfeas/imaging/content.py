"""Code and other files hidden in an image: refused, even though a rewritten image would lose them."""

from __future__ import annotations

import re

from orfeas.errors import ActiveContentError
from orfeas.imaging.containers import Container

# Long enough never to occur by chance in a few megabytes of binary metadata.
_CODE = re.compile(
    rb"<\?php|<script[\s>/]|<!doctype\s+html|<html[\s>]|<iframe[\s>]|<object[\s>]|javascript:|<svg[\s>][^>]{0,200}onload",
    re.IGNORECASE,
)
_SHORT_CODE = re.compile(rb"^\s*(<\?=|<%|#!)")
_WIDE_CODE = re.compile(rb"(?:<\0\?\0p\0h\0p\0|<\0s\0c\0r\0i\0p\0t\0|<\0h\0t\0m\0l\0)", re.IGNORECASE)  # UTF-16

_FILES = re.compile(
    rb"PK\x03\x04[\x00-\x3f]\x00|PK\x05\x06|Rar!\x1a\x07|7z\xbc\xaf\x27\x1c|\xfd7zXZ\x00|MSCF\0\0\0\0"
    rb"|\x7fELF[\x01\x02][\x01\x02]\x01|This program cannot be run in DOS mode|This program must be run under"
    rb"|\xca\xfe\xba\xbe\0\0\0|[\xce\xcf]\xfa\xed\xfe\x07|%PDF-1|ustar(?:\0| \0?)|!<arch>\n|\0asm\x01\0\0\0|dex\n03",
)
_FILE_AT_START = re.compile(rb"^[\0\s]*(MZ|\x1f\x8b\x08|BZh[1-9]1AY|\x28\xb5\x2f\xfd|\x04\x22\x4d\x18|#!)")


def refuse_active(data: bytes, container: Container) -> None:
    """Look through metadata and everything behind the image.

    Raises
    ------
    ActiveContentError
        Script, PHP or HTML in text metadata or behind the end; an executable or archive behind it.
    """
    for text in container.texts:
        if _CODE.search(text) or _WIDE_CODE.search(text) or _SHORT_CODE.match(text):
            raise ActiveContentError("The image's metadata holds script, PHP or HTML; save it without metadata.")
    tail = data[container.end :]
    if _CODE.search(tail) or _WIDE_CODE.search(tail) or _SHORT_CODE.match(tail):
        raise ActiveContentError("Behind the image's end stands script, PHP or HTML; save the image anew.")
    if _FILES.search(tail) or _FILE_AT_START.match(tail):
        raise ActiveContentError("Behind the image's end stands an executable or an archive; save the image anew.")
