"""One server with models for all tests of this folder: it takes seconds to start and to load torch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.routes.neural import PICTURES, Client, serve


@pytest.fixture(scope="session")
def neural(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a server whose models run on the processor; its text-to-image folder is made by who needs it."""
    folder = tmp_path_factory.mktemp("neural")
    with serve(folder, text_to_image_model=str(folder / PICTURES)) as server:
        yield Client(server)
