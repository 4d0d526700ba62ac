"""A guard that lets tests reach this machine only."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock


class NetworkForbiddenError(Exception):
    """A test tried to reach another machine."""


def is_local(address: Any) -> bool:
    """Whether a socket address belongs to this machine."""
    if not isinstance(address, tuple):
        return True  # A path of a local socket.
    host = str(address[0])
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False


def _checked(original: Callable[..., Any], position: int) -> Callable[..., Any]:
    def call(self: socket.socket, *args: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_local(args[position]):
            raise NetworkForbiddenError(f"tests may not reach {args[position]!r}")
        return original(self, *args)

    return call


def _resolve(original: Callable[..., Any]) -> Callable[..., Any]:
    def call(host: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and not is_local((name,)) and not _is_address(name):
            raise NetworkForbiddenError(f"tests may not look up {name!r}")
        return original(host, *args, **options)

    return call


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@contextmanager
def guarded() -> Iterator[None]:
    """Refuse connections, datagrams and name look-ups that leave this machine."""
    with (
        mock.patch.object(socket.socket, "connect", _checked(socket.socket.connect, 0)),
        mock.patch.object(socket.socket, "connect_ex", _checked(socket.socket.connect_ex, 0)),
        mock.patch.object(socket.socket, "sendto", _checked(socket.socket.sendto, -1)),
        mock.patch.object(socket, "getaddrinfo", _resolve(socket.getaddrinfo)),
    ):
        yield
