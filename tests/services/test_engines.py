"""Which engine and model a request gets, and why: devices, model folders, settings and terms."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from orfeas.app import create_app
from orfeas.config import Config
from orfeas.domain.caller import LOCAL
from orfeas.errors import (
    CapabilityMissingError,
    LicenceTerritoryError,
    LicenceUnacknowledgedError,
    ModelUnavailableError,
)
from orfeas.jobs.devices import DeviceFacts, Discovery, discover, remember
from orfeas.jobs.views import Surface
from orfeas.services import Services, build_services
from orfeas.services.generation.options import Options
from orfeas.services.info import clear_info
from orfeas.storage.tables import jobs
from tests.conftest import DATA
from tests.gpu.background import write_graph

TINY = DATA / "hunyuan3d" / "models" / "tencent"
CUDA = Discovery((DeviceFacts("cuda:0", "Card", 12 * 10**9),))
Serving = Callable[..., Services]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    """Services with settings, on a device that was found."""
    made: list[Services] = []

    def serve(found: Discovery | None = CUDA, **settings: object) -> Services:
        config = replace(Config(data_dir=tmp_path, disk_reserve_mb=0), **settings)  # type: ignore[arg-type]
        services = build_services(config)
        made.append(services)
        if found is not None:
            remember(services.database, found)
        return services

    yield serve
    for services in made:
        services.notifier.stop()
        services.database.dispose()


def install(services: Services, source: str, place: str) -> None:
    """Put a tiny checkpoint where a model would be."""
    shutil.copytree(TINY / source, services.config.model_dir / place)
    clear_info()  # lists are kept for two seconds


TURBO, TURBO_PLACE = "hunyuan3d-dit-v2-0-turbo", "tencent/Hunyuan3D-2/hunyuan3d-dit-v2-0-turbo"
FULL, FULL_PLACE = "hunyuan3d-dit-v2-0", "tencent/Hunyuan3D-2/hunyuan3d-dit-v2-0"
BASE = "Hunyuan3D-2tiny/hunyuan3d-dit-v2-tiny"


def accept(services: Services, *models: str) -> None:
    for model in models:
        services.models.acknowledge(LOCAL, model, by="test", purpose="test")


@pytest.mark.parametrize(
    "found, sentence",
    [
        (None, "No device has been looked for"),
        (Discovery(reason="torch is not installed"), "torch is not installed"),
        (Discovery((DeviceFacts("cpu", "the processor", 10**10),)), "No CUDA or MPS device"),
        (CUDA, "No shape model is installed"),
    ],
)
def test_without_device_or_model_it_is_the_embedded_engine_with_the_reason(serving, found, sentence):
    services = serving(found)
    choice = services.engines.choose(LOCAL)
    assert choice.engine == "embedded"
    assert sentence in choice.reason
    with pytest.raises(ModelUnavailableError) as refusal:
        services.engines.choose(LOCAL, engine="hunyuan3d")
    assert any(name.endswith(".safetensors") for name in refusal.value.members["missing"])
    assert "pull" in refusal.value.detail


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("GET", "/api/ultra-performance/status", None),
        ("POST", "/api/v1/generations", {"prompt": "a cube", "engine": "hunyuan3d"}),
        ("POST", "/api/generate-3d", {"job_id": "drawn", "engine": "hunyuan3d"}),
    ],
)
def test_a_model_is_hashed_whoever_sees_its_files_first(serving, method, path, body):
    services = serving()
    client = create_app(services.config, services).test_client()
    drawn = client.post("/api/text-to-image", json={"prompt": "a cube"}).get_json()["job_id"]
    clear_info()
    install(services, BASE, TURBO_PLACE)
    answer = client.open(path, method=method, json=body and {**body, **({"job_id": drawn} if "job_id" in body else {})})
    assert answer.status_code in (200, 409), answer.get_json()
    with services.database.read() as connection:
        assert connection.execute(select(func.count()).where(jobs.c.type == "model_verify")).scalar_one() == 1


def test_the_first_model_of_the_catalogue_whose_terms_are_accepted_is_taken(serving):
    services = serving()
    install(services, BASE, TURBO_PLACE)
    install(services, BASE, FULL_PLACE)
    assert "acknowledge" in services.engines.choose(LOCAL).reason
    with pytest.raises(LicenceUnacknowledgedError):
        services.engines.choose(LOCAL, model=TURBO)
    accept(services, TURBO)
    assert services.engines.choose(LOCAL).model.id == TURBO
    accept(services, FULL)
    chosen = services.engines.choose(LOCAL)
    assert (chosen.engine, chosen.model.id, chosen.model.precision) == ("hunyuan3d", FULL, "float16")
    assert chosen.model.licence["url"].startswith("https://")
    assert "1000000" in chosen.model.licence["terms"]
    assert services.engines.choose(LOCAL, model=TURBO).model.id == TURBO


def test_terms_that_exclude_the_territory_are_never_taken(serving):
    services = serving(territory="DE")
    install(services, BASE, TURBO_PLACE)
    accept(services, TURBO)
    assert services.engines.choose(LOCAL).engine == "embedded"
    with pytest.raises(LicenceTerritoryError):
        services.engines.choose(LOCAL, engine="hunyuan3d")


def test_a_model_that_does_not_fit_is_passed_over_unless_it_is_named(serving):
    services = serving(Discovery((DeviceFacts("cuda:0", "Small card", 1000),)))
    install(services, BASE, "me/mine/tiny")
    choice = services.engines.choose(LOCAL)
    assert choice.engine == "embedded"
    assert "tiny needs" in choice.reason
    assert services.engines.choose(LOCAL, model="tiny").model.id == "tiny"


def test_the_setting_of_a_model_or_engine_decides_what_auto_takes(serving):
    services = serving(model="second")
    install(services, BASE, "me/mine/first")
    assert "ORFEAS_MODEL=second is not installed" in services.engines.choose(LOCAL).reason
    install(services, BASE, "me/mine/second")
    services.models.remove(LOCAL, "first")
    assert services.engines.choose(LOCAL).model.id == "second"
    embedded = serving(engine="embedded")
    assert embedded.engines.choose(LOCAL).engine == "embedded"
    assert embedded.engines.taken(LOCAL)["reason"] == "ORFEAS_ENGINE=embedded."
    with pytest.raises(CapabilityMissingError):
        embedded.engines.choose(LOCAL, views=("front",))


def test_several_views_and_modes_go_to_the_engine_that_knows_them(serving):
    services = serving(device="cpu")
    install(services, BASE, "me/mine/one")
    with pytest.raises(CapabilityMissingError, match="several views"):
        services.engines.choose(LOCAL, views=("front", "back"))
    install(services, f"{BASE}-mv", "me/mine/many")
    chosen = services.engines.choose(LOCAL, views=("front", "back"))
    assert (chosen.model.id, chosen.model.precision) == ("many", "float32")
    assert services.engines.choose(LOCAL, mode="relief").engine == "embedded"
    with pytest.raises(CapabilityMissingError):
        services.engines.choose(LOCAL, model="one", views=("front",))


def test_a_changed_file_is_another_model(serving):
    services = serving()
    install(services, BASE, "me/mine/tiny")
    before = services.engines.choose(LOCAL).model
    assert services.engines.unchanged(LOCAL, before)
    with (services.config.model_dir / "me/mine/tiny/config.yaml").open("a") as config:
        config.write("\n")
    clear_info()
    assert not services.engines.unchanged(LOCAL, before)


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_looking_for_devices_here_gives_devices_or_what_to_do(tmp_path, device):
    found = discover(Config(data_dir=tmp_path, device=device))
    assert bool(found.devices) != bool(found.reason)
    assert discover(Config(data_dir=tmp_path, device="cpu")).devices[0].kind == "cpu"


def test_equal_bits_are_not_promised_where_a_device_does_not_keep_them(serving: Serving) -> None:
    services = serving(Discovery((DeviceFacts("mps", "Apple GPU", 12 * 10**9),)))
    install(services, BASE, BASE)
    options = Options(formats=("glb",), deterministic=True)
    with pytest.raises(CapabilityMissingError, match="MPS"):
        services.generation.check(LOCAL, options, Surface.V1)
    services.generation.check(LOCAL, replace(options, engine="embedded"), Surface.V1)
    services.generation.check(LOCAL, replace(options, deterministic=False), Surface.V1)


def test_a_model_for_backgrounds_is_part_of_what_a_device_may_not_keep_exact(serving: Serving, tmp_path: Path) -> None:
    cutter = write_graph(tmp_path / "cutter")
    (cutter / "gone.json").symlink_to(tmp_path / "nowhere")
    found = Discovery((DeviceFacts("mps", "Apple GPU", 12 * 10**9),))
    services = serving(found, background_model=str(cutter))
    options = Options(formats=("glb",), deterministic=True, engine="embedded")
    with pytest.raises(CapabilityMissingError, match="remove_background never"):
        services.generation.check(LOCAL, options, Surface.V1)
    services.generation.check(LOCAL, replace(options, remove_background="never"), Surface.V1)
    services.generation.check(LOCAL, replace(options, deterministic=False), Surface.V1)
