"""Every option is honoured, refused, or named in the warnings."""

import pytest

from orfeas.errors import (
    CapabilityMissingError,
    FormatUnavailableError,
    ModelUnavailableError,
    ParameterNotSupportedError,
)
from orfeas.jobs.views import Surface
from orfeas.services.generation.options import Options, checked, normalised, options_of, request_of


def asked(**members):
    return Options(formats=("glb",), **members)


@pytest.mark.parametrize("surface", Surface)
@pytest.mark.parametrize(
    "members, problem",
    [
        ({"engine": "hunyuan3d"}, ModelUnavailableError),
        ({"model": "hunyuan3d-dit-v2-mini"}, ModelUnavailableError),
        ({"texture": "material"}, CapabilityMissingError),
        ({"texture": "projection"}, CapabilityMissingError),
        ({"texture": "paint"}, ParameterNotSupportedError),
        ({"project_id": "p"}, ParameterNotSupportedError),
        ({"profile": "ultra"}, CapabilityMissingError),
        ({"require": {"watertight": True}}, CapabilityMissingError),
    ],
)
def test_what_no_engine_here_can_do_is_refused_on_both_surfaces(surface, members, problem):
    with pytest.raises(problem):
        checked(asked(**members), surface)


@pytest.mark.parametrize("name", ["usdz", "fbx", "blend"])
def test_a_format_without_writer_is_refused_with_the_others(name):
    with pytest.raises(FormatUnavailableError) as refusal:
        checked(Options(formats=("glb", name)), Surface.V1)
    assert "glb" in refusal.value.members["allowed"]


def test_the_refusal_of_an_engine_lists_what_is_missing():
    with pytest.raises(ModelUnavailableError) as refusal:
        checked(asked(engine="hunyuan3d"), Surface.V1)
    problem = refusal.value.as_problem()
    assert problem["status"] == 503
    assert problem["retry_after"] > 0
    assert any(name.endswith(".safetensors") for name in problem["missing"])


def test_the_server_may_insist_on_an_engine():
    with pytest.raises(ModelUnavailableError):
        checked(asked(), Surface.V1, "hunyuan3d")
    checked(asked(engine="embedded"), Surface.V1, "hunyuan3d")


@pytest.mark.parametrize(
    "members", [{"guidance_scale": 5.0}, {"seed": 7}, {"keep_latent": False}, {"material": "wood"}]
)
def test_what_the_embedded_engine_cannot_use_is_a_warning_here_and_refused_on_v1(members):
    name = next(iter(members))
    _, warnings = checked(asked(**members), Surface.COMPATIBLE)
    assert [warning.split()[0] for warning in warnings] == [name]
    with pytest.raises(ParameterNotSupportedError) as refusal:
        checked(asked(**members), Surface.V1)
    assert refusal.value.errors[0]["pointer"] == f"/{name}"


def test_defaults_give_no_warning():
    assert checked(asked(), Surface.COMPATIBLE)[1] == []
    assert checked(asked(deterministic=True), Surface.V1)[1] == []


def test_a_recorded_request_is_read_back_as_it_was():
    options = asked(
        quality=3, mode="relief", steps=4, target_faces=999, dimensions_mm=(1.0, 2.0, 3.0), fit="stretch", up_axis="z",
        texture="none", texture_size=256, preview=False, octree_resolution=64, mc_level=0.1, allow_degrade=True,
    )  # fmt: skip
    request, _ = checked(options, Surface.V1)
    assert request_of(normalised(options, request, "a" * 64)) == request
    assert request_of(normalised(options, request, "a" * 64), degraded=1) == request.lighter()


def test_repeated_formats_and_tags_count_once():
    found = options_of({"formats": ["glb", "stl", "glb"], "tags": ["a", "a"]})
    assert (found.formats, found.tags) == (("glb", "stl"), ("a",))
