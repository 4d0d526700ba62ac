"""A client that reads every answer to its end and closes it, as a server does."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient


class ReadingClient(FlaskClient):
    """Streams are read whole, unless `buffered=False` says otherwise."""

    def open(self, *args: Any, buffered: bool = True, **kwargs: Any) -> Any:
        """Send a request."""
        return super().open(*args, buffered=buffered, **kwargs)
