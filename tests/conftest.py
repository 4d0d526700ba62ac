"""Fixtures of all tests: the real app, a real worker in this process, a real server, and no network."""

from __future__ import annotations

import gc
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orfeas.config import Config
from tests import network
from tests.serving import Server

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from orfeas.jobs.inprocess import LocalWorker
    from orfeas.services import Services

DATA = Path(__file__).parent / "data"
FINAL = {"succeeded", "failed", "cancelled"}

Finished = Callable[..., dict[str, Any]]
Upload = Callable[..., dict[str, Any]]


def pytest_configure(config: pytest.Config) -> None:
    """No collection of garbage until all tests are known, in the processes that run them."""
    if hasattr(config, "workerinput") or config.getoption("dist", "no") == "no":
        gc.disable()


def pytest_collection_finish() -> None:
    """What was imported and collected stays for good: left out of every collection, it saves an eighth of the time."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Only this machine may be reached."""
    with network.guarded():
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    """The caller's own `ORFEAS_` settings are not the tests'."""
    for name in [name for name in os.environ if name.startswith("ORFEAS_")]:
        del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the `gpu` marker need a device that torch can use."""
    for item in items:
        if item.get_closest_marker("gpu") and not _has_cuda():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device and the extra ml"))


def _has_cuda() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of test files; its README tells their origin."""
    return DATA


@pytest.fixture(scope="session")
def empty_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with no rows, as the first start makes it."""
    from orfeas.storage.database import Database, migrate

    folder = tmp_path_factory.mktemp("tables")
    database = Database(f"sqlite:///{folder / 'orfeas.db'}")
    migrate(database, folder)
    database.dispose()
    return folder / "orfeas.db"


@pytest.fixture
def config(tmp_path: Path, empty_tables: Path) -> Config:
    """Settings of a server whose data lies in the test's own folder; its tables are copied, not made each time anew."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    shutil.copy(empty_tables, folder / "orfeas.db")
    return Config(data_dir=folder, disk_reserve_mb=0)


@pytest.fixture
def wired(config: Config) -> Iterator[Services]:
    """The services, as an app has them."""
    from orfeas.services import build_services

    services = build_services(config)
    yield services
    services.notifier.stop()
    services.database.dispose()


@pytest.fixture
def app(config: Config, wired: Services) -> Flask:
    """The real application on a fresh data folder."""
    from orfeas.app import create_app

    return create_app(config, wired)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the application; nothing runs until `worker.drain()` or `finished(...)`."""
    return app.test_client()


@pytest.fixture
def worker(wired: Services) -> LocalWorker:
    """A worker in this process, on the same rows and blobs: `drain()` runs every ready stage."""
    from orfeas.jobs.inprocess import LocalWorker
    from orfeas.jobs.wakeups import LocalWakeups

    return LocalWorker(wired.database, wired.blobs, LocalWakeups(wired.config.data_dir), config=wired.config)


@pytest.fixture
def working(worker: LocalWorker) -> Iterator[None]:
    """Work while the test runs, for answers that wait."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.01):
            worker.drain()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    done.set()
    thread.join()


@pytest.fixture
def finished(client: FlaskClient, worker: LocalWorker) -> Finished:
    """Run all ready work and read the job that an answer made, on the surface that made it."""

    def finish(response: TestResponse, state: str | None = "succeeded") -> dict[str, Any]:
        assert response.status_code in (200, 201, 202), response.get_data(as_text=True)
        created = response.get_json()
        worker.drain()
        if "job_id" in created:
            job = client.get(f"/api/job-status/{created['job_id']}").get_json()
        else:
            job = client.get(f"/api/v1/jobs/{created['id']}").get_json()
        assert job["state"] in FINAL, job
        assert state is None or job["state"] == state, job
        return dict(job)

    return finish


@pytest.fixture
def upload() -> Upload:
    """The form of a multipart request with a file of `tests/data`: `client.post(url, data=upload("mug.png"))`."""

    def form(name: str, field: str = "image", content: bytes | None = None, **fields: Any) -> dict[str, Any]:
        body = (DATA / name).read_bytes() if content is None else content
        return {field: (BytesIO(body), name), **{key: str(value) for key, value in fields.items()}}

    return form


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real `orfeas serve` with two cpu workers, shared by all tests of a process: it has the jobs of others too."""
    with Server(tmp_path_factory.mktemp("served"), cpu_workers=2, disk_reserve_mb=0) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, empty database of each kind; PostgreSQL only where `TEST_POSTGRES_URL` names one."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'orfeas.db'}"
    else:
        yield from _fresh_schema()


def _fresh_schema() -> Iterator[str]:
    base = os.environ.get("TEST_POSTGRES_URL")
    if not base:
        pytest.skip("TEST_POSTGRES_URL is not set")
    import psycopg

    schema = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(f'CREATE SCHEMA "{schema}"')
        yield f"{base}{'&' if '?' in base else '?'}options=-csearch_path%3D{schema}"
        connection.execute(f'DROP SCHEMA "{schema}" CASCADE')
