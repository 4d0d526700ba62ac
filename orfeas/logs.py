"""Structured logs: one JSON object a line on standard error. Extra members come as `extra={"fields": {...}}`."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from orfeas.config import Config

HIDDEN = ("authorization", "api_key", "apikey", "secret", "token", "password", "sig", "cookie")


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line: time, level, logger, message, the fields, and the traceback if there is one."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **shown(getattr(record, "fields", {})),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """A record as a line for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the fields as `name=value`."""
        line, _, rest = super().format(record).partition("\n")
        fields = " ".join(f"{name}={value}" for name, value in shown(getattr(record, "fields", {})).items())
        return "\n".join(part for part in (f"{line} {fields}".rstrip(), rest) if part)


def shown(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields without secrets."""
    return {
        name: "(hidden)" if any(word in name.lower() for word in HIDDEN) else value for name, value in fields.items()
    }


def configure(config: Config) -> None:
    """Let everything below the logger `orfeas` go to standard error; once more replaces what was set."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if config.log_format == "json" else TextFormatter())
    handler.set_name("orfeas")
    logger = logging.getLogger("orfeas")
    for old in [found for found in logger.handlers if found.get_name() == "orfeas"]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(config.log_level)
