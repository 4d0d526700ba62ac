"""The documents: generated parts are current, links lead somewhere, and every example runs against a real server."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trimesh
from PIL import Image

from orfeas.reference import PARTS, pages, rewritten
from orfeas.routes import BLUEPRINTS
from tests.conftest import DATA
from tests.llm_endpoint import Endpoint
from tests.serving import Server

ROOT = Path(__file__).parents[1]
PAGES = pages(ROOT)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")
LIVED_IN = {"stl": "meshes", "performance": "monitoring", "pages": "system"}
"""Categories whose guide is another's."""
DOCUMENTED = "http://127.0.0.1:5000"
INPUTS = {"photo.png": "mug.png", "scene.jpg": "scene.jpg", "bracket.stl": "meshes/openscad_bracket.stl"}
"""Files that a reader is asked to have, by the file that stands in."""
MESHES = (".glb", ".stl", ".obj", ".ply", ".off", ".3mf")


def blocks(page: Path, language: str) -> str:
    """Every example of a language on a page, in order, as one program."""
    return "\n".join(text for kind, text in FENCE.findall(page.read_text(encoding="utf-8")) if kind == language)


def name_of(page: Path) -> str:
    """A page's path in the repository."""
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_generated_parts_are_current(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert rewritten(text) == text, "run 'make docs'"


def test_make_docs_rewrites_what_is_marked_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("by hand\n", encoding="utf-8")
    stale = "before\n<!-- made: commands-table -->\nstale text\n<!-- end -->\nafter\n"
    (tmp_path / "docs" / "page.md").write_text(stale, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_module("orfeas.reference", run_name="__main__")
    made = (tmp_path / "docs" / "page.md").read_text(encoding="utf-8")
    assert made.startswith("before\n<!-- made: commands-table -->\n\n| command |")
    assert made.endswith("|\n\n<!-- end -->\nafter\n")
    assert "stale text" not in made
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "by hand\n"


def test_every_generated_part_is_on_a_page() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"<!-- made: ([a-z-]+) -->", text)) == set(PARTS)


def test_every_category_has_a_guide() -> None:
    for blueprint in BLUEPRINTS:
        assert (ROOT / "docs" / "guide" / f"{LIVED_IN.get(blueprint.name, blueprint.name)}.md").is_file()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def anchors(page: Path) -> set[str]:
    """What a page's links may name: headings as GitHub writes them, and explicit ids."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {*re.findall(r'<a id="([^"]+)"', text), *(_slug(heading) for heading in headings)}


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server with a language model's endpoint."""
    endpoint = Endpoint()
    folder = tmp_path_factory.mktemp("documented")
    settings = {"cpu_workers": 2, "disk_reserve_mb": 0, "llm_url": endpoint.url, "llm_model": "small"}
    try:
        with Server(folder, **settings) as server:
            yield server
    finally:
        endpoint.close()


@pytest.mark.parametrize(
    "page, language",
    [(page, language) for page in PAGES for language in ("sh", "python") if blocks(page, language)],
    ids=lambda value: name_of(value) if isinstance(value, Path) else value,
)
def test_the_examples_run(page: Path, language: str, served: Server, tmp_path: Path) -> None:
    code = blocks(page, language)
    for name, source in INPUTS.items():
        shutil.copyfile(DATA / source, tmp_path / name)
    environ = installed(tmp_path, served)
    program = tmp_path / f"examples.{language}"
    program.write_text(code.replace(DOCUMENTED, served.url), encoding="utf-8")
    interpreter = ["bash", "-euo", "pipefail"] if language == "sh" else [sys.executable, "-W", "error"]
    command = [*interpreter, program.name]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    check_files(tmp_path)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_of_a_service_is_one(tmp_path: Path) -> None:
    unit = tmp_path / "orfeas.service"
    text = blocks(ROOT / "docs" / "deployment.md", "ini").replace("/opt/orfeas/.venv/bin/orfeas", sys.executable)
    unit.write_text(text, encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def installed(folder: Path, server: Server) -> dict[str, str]:
    """The environment of a reader who ran `make run` in a folder; curl fails where a server refuses."""
    commands = folder / ".venv" / "bin"
    commands.mkdir(parents=True)
    for name, run in {"orfeas": "-P -m orfeas", "python": ""}.items():
        (commands / name).write_text(f'#!/bin/sh\nexec {sys.executable} {run} "$@"\n', encoding="utf-8")
        (commands / name).chmod(0o755)
    (folder / ".curlrc").write_text("fail-with-body\nshow-error\nmax-time = 100\n", encoding="utf-8")
    return {**os.environ, "CURL_HOME": str(folder), "ORFEAS_DATA_DIR": str(server.data_dir), "NO_PROXY": "*"}


def check_files(folder: Path) -> None:
    """Every file that an example wrote is what its name says."""
    for path in folder.iterdir():
        if path.suffix in MESHES:
            assert len(trimesh.load_mesh(path).faces), path.name
        elif path.suffix in (".png", ".gif", ".jpg"):
            with Image.open(path) as picture:
                picture.load()
