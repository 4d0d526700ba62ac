"""Every option is honoured, refused, or named in the warnings."""

import pytest

from orfeas.domain.formats import Formats
from orfeas.errors import (
    FormatUnavailableError,
    InvalidRequestError,
    ParameterNotSupportedError,
)
from orfeas.jobs.views import Surface
from orfeas.services.engines import EMBEDDED, Choice
from orfeas.services.exports import require_writable
from orfeas.services.generation.checks import checked
from orfeas.services.generation.options import Options, options_of
from orfeas.services.generation.requests import normalised, request_of
from orfeas.services.plans import ModelRef


def asked(**members):
    return Options(formats=("glb",), **members)


@pytest.mark.parametrize("surface", Surface)
@pytest.mark.parametrize(
    "members, problem",
    [
        ({"texture": "material"}, InvalidRequestError),
        ({"texture": "material", "material": "cheese"}, InvalidRequestError),
        ({"texture": "paint"}, ParameterNotSupportedError),
        ({"project_id": "p"}, ParameterNotSupportedError),
    ],
)
def test_what_no_engine_here_can_do_is_refused_on_both_surfaces(surface, members, problem):
    with pytest.raises(problem):
        checked(asked(**members), surface)


@pytest.mark.parametrize("name", ["fbx", "blend"])
def test_a_format_without_writer_is_refused_with_the_others(name):
    with pytest.raises(FormatUnavailableError) as refusal:
        require_writable(Formats(), ("glb", name))
    assert "glb" in refusal.value.members["allowed"]


@pytest.mark.parametrize(
    "members", [{"guidance_scale": 5.0}, {"seed": 7}, {"keep_latent": False}, {"material": "wood"}, {"model": "mini"}]
)
def test_what_the_embedded_engine_cannot_use_is_a_warning_here_and_refused_on_v1(members):
    name = next(iter(members))
    _, warnings = checked(asked(**members), Surface.COMPATIBLE)
    assert [warning.split()[0] for warning in warnings] == [name]
    with pytest.raises(ParameterNotSupportedError) as refusal:
        checked(asked(**members), Surface.V1)
    assert refusal.value.errors[0]["pointer"] == f"/{name}"


@pytest.mark.parametrize(
    "members",
    [
        {"formats": ("stl",), "texture": "material", "material": "wood"},
        {"formats": ("stl", "off"), "texture": "projection"},
        {"formats": ("glb",), "texture": "projection", "mode": "lithophane"},
        {"formats": ("glb",), "texture": "projection", "prompt": "a red cube"},
    ],
)
def test_a_look_that_no_file_can_show_is_a_warning_here_and_refused_on_v1(members):
    _, warnings = checked(Options(**members), Surface.COMPATIBLE)
    assert [warning.split()[0] for warning in warnings] == ["texture"]
    with pytest.raises(ParameterNotSupportedError) as refusal:
        checked(Options(**members), Surface.V1)
    assert refusal.value.errors[0]["pointer"] == "/texture"


def test_a_material_is_recorded_and_read_back():
    options = asked(texture="material", material="wood")
    for choice, model in ((EMBEDDED, None), (NEURAL, MODEL.document())):
        request, warnings = checked(options, Surface.V1, choice)
        spelled = normalised(options, request, {"front": "a" * 64})
        assert (spelled["texture"]["material"], warnings) == ("wood", [])
        assert request_of(spelled, model) == request


def test_defaults_give_no_warning():
    assert checked(asked(), Surface.COMPATIBLE)[1] == []
    assert checked(asked(deterministic=True), Surface.V1)[1] == []


def test_a_recorded_request_is_read_back_as_it_was():
    options = asked(
        quality=3, mode="relief", steps=4, target_faces=999, dimensions_mm=(1.0, 2.0, 3.0), fit="stretch", up_axis="z",
        texture="none", texture_size=256, preview=False, octree_resolution=64, mc_level=0.1, allow_degrade=True,
    )  # fmt: skip
    request, _ = checked(options, Surface.V1)
    assert request_of(normalised(options, request, {"front": "a" * 64})) == request
    assert request_of(normalised(options, request, {"front": "a" * 64}), degraded=({},)) == request.lighter()


MODEL = ModelRef(id="mini", place="a/mini", digest="d", precision="float16", views=("front", "left"))
NEURAL = Choice("hunyuan3d", MODEL)


def test_what_a_model_uses_is_taken_and_what_it_cannot_use_is_named():
    taken = asked(guidance_scale=3.0, seed=7, keep_latent=False, deterministic=True, model="mini")
    assert checked(taken, Surface.V1, NEURAL)[1] == []
    assert checked(asked(mode="relief"), Surface.COMPATIBLE, NEURAL)[1][0].startswith("mode has no effect")
    with pytest.raises(ParameterNotSupportedError):
        checked(asked(mode="relief"), Surface.V1, NEURAL)


def test_a_request_of_a_model_is_read_back_with_it():
    options = asked(quality=3, guidance_scale=2.0, seed=9, views=("front", "left"), steps=5, target_faces=200)
    request, _ = checked(options, Surface.V1, NEURAL)
    spelled = normalised(options, request, {"front": "a" * 64, "left": "b" * 64})
    assert set(spelled["images"]) == {"front", "left"}
    assert request_of(spelled, MODEL.document()) == request
    assert request_of(spelled, MODEL.document(), degraded=({}, {})) == request.lighter().lighter()


def test_a_random_seed_is_drawn_and_recorded():
    seeds = {checked(asked(seed="random"), Surface.V1, NEURAL)[0].settings["seed"] for _ in range(4)}
    assert len(seeds) > 1
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_repeated_formats_and_tags_count_once():
    found = options_of({"formats": ["glb", "stl", "glb"], "tags": ["a", "a"]})
    assert (found.formats, found.tags) == (("glb", "stl"), ("a",))
