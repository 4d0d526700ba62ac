"""Download names: aliases, runs, and everything that is none."""

import pytest

from orfeas.domain.formats import Formats
from orfeas.errors import FileNotFoundProblem, FormatUnavailableError, InvalidRequestError
from orfeas.services.generation.downloads import Wanted, parse
from orfeas.services.generation.service import stored_name

JOB = "6f1c2a9e-4d1b-4a53-9a55-0c1f6f1a7b21"
OTHER = "b0a7c1de-93f4-4f0e-8d0a-5a2f5e7c9e10"


@pytest.mark.parametrize(
    "name, wanted",
    [
        ("model.glb", ("glb", None)),
        (f"model_{JOB}.stl", ("stl", None)),
        (f"model_{JOB.upper()}.STL", ("stl", None)),
        (f"model_{JOB}_r2.obj", ("obj", 2)),
        ("preview.png", (None, None)),
    ],
)
def test_names_that_mean_something(name, wanted):
    assert parse(JOB, name, Formats()) == Wanted(name, *wanted)


@pytest.mark.parametrize(
    "name",
    [
        "..", ".", "", "...stl", ".stl", "..\\..\\etc\\passwd", "../../etc/passwd.stl", "/etc/passwd",
        "model.stl\x00.png",
        "model.glb/..", "model .glb", "%2e%2e%2fmodel.stl", f"model_{OTHER}.stl", "C:model.stl", "model.stl.",
        "a" * 300 + ".stl",
        "passwd", "~root.stl", "model.stl\n",
    ],
)  # fmt: skip
def test_tricks_find_no_file(name):
    with pytest.raises(FileNotFoundProblem):
        parse(JOB, name, Formats())


@pytest.mark.parametrize("name", ["model.exe", "model.php", "x.step", "model.glb.sh"])
def test_an_unknown_extension_is_a_wrong_request(name):
    with pytest.raises(InvalidRequestError):
        parse(JOB, name, Formats())


def test_a_known_format_without_writer_says_so():
    with pytest.raises(FormatUnavailableError):
        parse(JOB, "model.fbx", Formats())


@pytest.mark.parametrize(
    "given, stem",
    [
        ("mug.png", "mug"),
        ("../../etc/passwd.png", "passwd"),
        ("C:\\photos\\my mug (1).png", "my_mug_1"),
        ("äöü.png", "image"),
        ("a" * 80 + ".png", "a" * 50),
        (".png", "png"),
    ],
)
def test_stored_names_are_made_of_safe_characters(given, stem):
    assert stored_name(JOB, given, "png", 0.0) == f"{JOB}_19700101_000000_{stem}.png"
