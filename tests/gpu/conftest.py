"""Devices on the tiny checkpoints, with one process for surfaces for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from orfeas.gpu.surfaces import Surfaces
    from tests.gpu.harness import Client


@pytest.fixture(scope="session")
def surfaces() -> Iterator[Surfaces]:
    from orfeas.gpu.surfaces import Surfaces  # noqa: PLC0415 - it needs torch, which may not be there

    shared = Surfaces(1)
    yield shared
    shared.close()


@pytest.fixture
def connect(tmp_path: Path, surfaces: Surfaces) -> Iterator[Callable[..., Client]]:
    """Makes a client of a device of its own; the settings of the device as keywords."""
    from tests.gpu.harness import Client  # noqa: PLC0415

    clients: list[Client] = []

    def make(**settings: Any) -> Client:
        client = Client.on(tmp_path / str(len(clients)), settings.pop("surfaces", surfaces), **settings)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.device.close()


@pytest.fixture
def client(connect: Callable[..., Client]) -> Client:
    """A device with nothing on it."""
    return connect()
