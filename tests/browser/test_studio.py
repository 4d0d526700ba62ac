"""The studio in a real browser against the real server: everything a person does there, and what that takes."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import trimesh
from PIL import Image

from orfeas.errors import all_problems
from tests.browser.test_pages import LIMIT_S, complaints, load, node_modules, pytestmark  # noqa: F401
from tests.llm_endpoint import Endpoint
from tests.serving import Server
from tests.test_contract import PRESENT, name

DRIVER = Path(__file__).with_name("studio.cjs")
STUDIO = Path(__file__).parents[2] / "studio"
BUILT = Path(__file__).parents[2] / "orfeas" / "static" / "studio"
TEXTS: dict[str, Any] = json.loads((STUDIO / "src" / "texts" / "en.json").read_text())
FIRST_VIEW_BYTES = 300_000
INTERACTIVE_MS = 1500.0
FRAMES_TRIANGLES = 200_000
GPU_FRAMES = 30.0
"""A second; without a GPU the figure is only told, as it is the processor's."""

Report = dict[str, Any]
Use = Callable[[str], Report]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text file named as a picture and a ball with a hole; downloads go there as well."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "words.png").write_text("no picture")
    ball = trimesh.creation.icosphere(3, radius=20.0)
    ball.update_faces(np.arange(len(ball.faces)) >= 12)
    ball.export(folder / "open.stl")
    return folder


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    """A language model of the tests' own."""
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, endpoint: Endpoint) -> Iterator[Server]:
    """A server that knows a language model."""
    with Server(tmp_path_factory.mktemp("served"), cpu_workers=1, disk_reserve_mb=0, llm_url=endpoint.url) as running:
        yield running


@pytest.fixture(scope="module")
def use(server: Server, files: Path, data: Path) -> Use:
    """Does a task once and gives its report; later calls get the same."""
    kept: dict[str, Report] = {}

    def report(task: str) -> Report:
        if task not in kept:
            kept[task] = _used(command(task, server, data, files), server)
        return kept[task]

    return report


def command(task: str, server: Server, data: Path, files: Path) -> list[str]:
    """How the driver is called."""
    import shutil

    modules, chromium = node_modules(), shutil.which("chromium")
    assert modules
    assert chromium
    return ["node", str(DRIVER), str(modules.resolve()), chromium, task, server.url, str(data), str(files)]


def _used(called: list[str], server: Server) -> Report:
    done = subprocess.run(called, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{server.log()[-2000:]}"
    return dict(json.loads(done.stdout))


def refusals(report: Report) -> list[str]:
    """What the browser logs of answers that were meant to be refusals."""
    return [line for line in report["complaints"] if re.search(r"status of 4\d\d", line)]


def test_a_photo_becomes_a_watertight_model_before_ones_eyes(use: Use) -> None:
    report = use("model")
    assert complaints(report) == []
    assert report["forecast"].startswith("Built-in")
    assert report["waiting"] in ("pending", "queued")
    assert report["sameAddress"], "a reload on the way changes nothing"
    assert (report["state"], report["tags"]) == ("succeeded", ["kitchen", "test"])
    for path, kind, longest in ((report["glb"], "glb", 0.1), (report["stl"], "stl", 100.0)):
        model = load(path, kind)
        assert model.is_watertight
        assert model.euler_number == 0, "the mug's handle leaves a hole"
        assert max(model.extents) == pytest.approx(longest, rel=0.01)
    assert report["turntable"] >= 128


def test_every_format_is_offered_with_its_size(use: Use, server: Server) -> None:
    offered = httpx.get(f"{server.url}/api/v1/capabilities").json()["formats"]
    written = {found["format"] for found in offered if found["available"] and found["write"]}
    shown = use("model")["sizes"]
    assert {line.split()[0] for line in shown} == written
    assert all(re.search(r"\d [kM]?B$", line) for line in shown), shown


def test_the_request_can_be_sent_by_a_program(use: Use, tmp_path: Path) -> None:
    report = use("model")
    done = subprocess.run(["bash", "-c", report["curl"]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert load(tmp_path / "model.glb", "glb").is_watertight
    compile(report["python"], "copied.py", "exec")
    assert "/api/v1/generations" in report["python"]


def test_a_rerun_with_another_size_makes_only_what_the_size_changes(use: Use) -> None:
    report = use("model")
    reused = {line.split("\n")[0] for line in report["recipe"] if line.endswith("used again")}
    stages = TEXTS["stages"]
    assert {
        stages["image.prepare"],
        stages["shape.inflate"],
        stages["shape.surface"],
        stages["mesh.simplify"],
    } <= reused
    assert stages["mesh.scale"] not in reused
    assert max(report["again"]) == pytest.approx(60.0, rel=0.01)


def test_a_sentence_becomes_a_model_and_strange_words_are_named(use: Use) -> None:
    report = use("words")
    assert report["prompt"] == "three green cubes stacked"
    assert TEXTS["problems"]["prompt_not_understood"]["title"] in report["refused"]
    assert "xyzzy" in report["refused"]
    assert len(report["complaints"]) == len(refusals(report))


@pytest.mark.soak
def test_a_picture_is_drawn_first_and_becomes_a_model_of_the_same_job(use: Use) -> None:
    report = use("pictures")
    assert complaints(report) == []
    assert report["sameJob"]
    assert report["profile"] == "enhanced"
    assert report["kept"] == "succeeded"


def test_several_files_are_a_batch_and_a_bad_one_is_named(use: Use) -> None:
    report = use("batch")
    assert complaints(report) == []
    assert "words.png" in report["refused"]
    assert sorted(report["names"]) == ["mug", "star"]


def test_a_job_is_cancelled_and_tried_again(use: Use) -> None:
    report = use("cancelled")
    assert complaints(report) == []
    assert report["stage"].split("\n")[0] in TEXTS["stages"].values()
    assert report["state"] == "cancelled"
    assert report["retried"]


def test_a_text_file_named_as_a_picture_is_refused_in_words(use: Use) -> None:
    report = use("refused")
    words = TEXTS["problems"]["invalid_image"]
    assert words["title"] in report["problem"]
    assert words["advice"] in report["problem"]
    assert report["disabled"]
    assert report["foreign"] == []
    assert len(report["complaints"]) == len(refusals(report)) == 2


@pytest.mark.soak
def test_a_mesh_with_a_hole_is_judged_mended_and_prepared(use: Use) -> None:
    report = use("check")
    assert complaints(report) == []
    assert TEXTS["print"]["verdicts"]["error"]["title"] in report["verdict"]
    assert any(TEXTS["print"]["problems"]["holes"] in line for line in report["problems"])
    assert "→ 200" in report["simplified"]
    assert report["last"] == "hollow"
    assert report["size"].count("×") == 2


@pytest.mark.soak
def test_the_model_is_seen_in_other_materials_lights_and_from_kept_views(use: Use, server: Server) -> None:
    report = use("look")
    assert complaints(report) == []
    mtl = Path(report["mtl"]).read_text()
    assert mtl == report["shownMtl"]
    assert "newmtl orfeas_material" in mtl
    assert "Pr 0.3" in mtl
    saved = httpx.get(f"{server.url}/api/camera/presets").json()["saved"]
    assert [view["name"] for view in saved] == ["From above"]
    with Image.open(report["picture"]) as picture:
        colours = picture.convert("RGB").getcolors(maxcolors=1 << 20)
    assert colours
    assert len(colours) > 20, "something is drawn"


@pytest.mark.soak
def test_the_assistant_runs_agents_and_asks_the_language_model(use: Use, endpoint: Endpoint) -> None:
    report = use("assistant")
    assert complaints(report) == []
    assert report["agent"] == "succeeded"
    assert report["idea"] == "fine"
    assert "never used" in report["findings"] or "unused" in report["findings"] or "os" in report["findings"]
    asked = [body["messages"][-1]["content"] for _, body, _ in endpoint.requests if body]
    assert any("holds pens" in words and "mug" in words for words in asked), "the vocabulary goes with the idea"


@pytest.mark.soak
def test_the_system_page_tells_how_the_server_is_and_changes_its_profile(use: Use, server: Server) -> None:
    report = use("system")
    assert complaints(report) == []
    assert report["enabled"] is True
    assert report["models"] == len(httpx.get(f"{server.url}/api/v1/models").json()["items"])
    configuration = httpx.get(f"{server.url}/api/ultra-performance/config").json()["configuration"]
    assert configuration["auto_optimization"] is True


@pytest.mark.soak
def test_the_library_finds_by_words_and_tags_and_deletes(use: Use) -> None:
    use("model"), use("batch"), use("words")
    report = use("library")
    assert complaints(report) == []
    assert set(report["star"]) == {"star"}
    assert set(report["tagged"]) == {"mug"}
    assert report["after"] == report["before"] - 1


@pytest.mark.soak
def test_a_killed_server_is_waited_for_and_the_job_goes_on(tmp_path: Path, files: Path, data: Path) -> None:
    server = Server(tmp_path / "killed", cpu_workers=1, disk_reserve_mb=0)
    with server:
        driver = subprocess.Popen(
            command("restarted", server, data, files), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        watchdog = threading.Timer(LIMIT_S, driver.kill)
        watchdog.start()
        try:
            assert driver.stdout
            assert driver.stdin
            assert driver.stdout.readline() == "kill it\n"
            server.kill()
            assert driver.stdout.readline() == "start it\n"
            server.start()
            driver.stdin.write("it runs\n")
            driver.stdin.flush()
            report = json.loads(driver.stdout.readline())
        finally:
            watchdog.cancel()
            driver.kill()
            driver.wait()
            for pipe in (driver.stdin, driver.stdout):
                if pipe:
                    pipe.close()
    assert (report["state"], report["faces"]) == ("succeeded", 150_000)
    assert report["foreign"] == []
    assert all(re.search(r"ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED|CONNECTION_RESET|EMPTY_RESPONSE|NETWORK)", line)
               for line in report["complaints"]), report["complaints"]  # fmt: skip


EVERYTHING = (
    "model", "words", "pictures", "batch", "cancelled", "refused", "check", "look", "assistant", "system", "library",
)  # fmt: skip


@pytest.mark.soak
def test_every_core_operation_is_used_by_some_view(use: Use) -> None:
    asked = {(method, path) for task in EVERYTHING for method, path in use(task)["asked"]}
    core = [operation for operation in PRESENT if operation["core"]]
    patterns = {
        name(operation): re.compile(re.sub(r"\{\w+\}", "[^/]+", operation["path"]) + r"\Z") for operation in core
    }
    used = {
        name(operation)
        for operation in core
        if any(method == operation["method"] and patterns[name(operation)].match(path) for method, path in asked)
    }
    assert sorted({*patterns} - used) == []
    assert len(used) == 48
    print(f"{len(used)} of {len(core)} core operations are used")


@pytest.mark.soak
def test_no_view_has_a_violation_of_accessibility_rules(use: Use) -> None:
    reports = [use(task) for task in EVERYTHING]
    inspected = {view for report in reports for view in report["inspected"]}
    assert len(inspected) >= 2 * 25
    violations = [violation for report in reports for violation in report["violations"]]
    assert not violations, "\n".join(violations)


@pytest.mark.soak
def test_no_request_leaves_the_server_and_nothing_fails(use: Use) -> None:
    for task in EVERYTHING:
        report = use(task)
        assert report["foreign"] == []
        assert [line for line in report["failed"] if "/api/log-error" in line] == []


def test_the_first_view_is_light_and_soon_usable(use: Use) -> None:
    report = use("budget")
    compressed = sum(size for _, size, _ in report["bodies"])
    print(f"first view: {compressed} bytes compressed, interactive after {report['interactive_ms']:.0f} ms")
    assert not any("three" in path for path, _, _ in report["bodies"]), "the viewer comes with the first model"
    assert compressed < FIRST_VIEW_BYTES
    assert report["interactive_ms"] < INTERACTIVE_MS
    assert complaints(report) == []


def test_the_shell_works_without_a_server_and_keeps_no_data(use: Use) -> None:
    report = use("offline")
    assert report["controlled"]
    assert report["data"] == "none"
    assert report["cached"]
    assert all(path == "/" or path.startswith(("/static/studio/", "/icons/")) for path in report["cached"])


@pytest.mark.soak
def test_nothing_sticks_out_from_phone_to_wide_screen(use: Use) -> None:
    assert use("widths")["wide"] == []


def test_it_is_used_by_keyboard_and_in_every_theme(use: Use) -> None:
    report = use("keyboard")
    assert report["first"] == TEXTS["shell"]["skip"]
    assert report["skipped"] == "main"
    assert report["tab"] == ["Words", "true"]
    themes = dict(report["themes"])
    assert set(themes) == {"light", "dark", "system"}
    assert themes["light"] != themes["dark"]


@pytest.mark.soak
def test_a_large_mesh_turns(use: Use, server: Server, files: Path) -> None:
    large = trimesh.creation.icosphere(7, radius=40.0)
    faces = large.faces[:FRAMES_TRIANGLES]
    data = trimesh.Trimesh(large.vertices, faces, process=False).export(file_type="stl")
    answer = httpx.post(f"{server.url}/api/v1/uploads", files={"file": ("large.stl", data, "model/stl")}, timeout=60.0)
    (files / "asset").write_text(answer.json()["id"])
    report = use("frames")
    print(f"{report['size']}: {report['frames_per_second']:.1f} frames a second, {report['renderer']}")
    assert "200,000 triangles" in report["size"]
    assert report["drawn"] >= FRAMES_TRIANGLES, "every frame has all of it"
    if "SwiftShader" not in report["renderer"]:
        assert report["frames_per_second"] >= GPU_FRAMES


def test_every_problem_has_clear_words() -> None:
    words = TEXTS["problems"]
    assert set(all_problems()) <= set(words)
    assert set(words) - set(all_problems()) == {"studio", "unreachable"}
    for code, found in words.items():
        assert found["title"], code
        assert found["advice"].endswith("."), code


def test_every_text_is_used_and_named_once() -> None:
    """The sources name their texts by path, so that one that nobody shows would only be work for translators."""
    sources = "\n".join(path.read_text() for path in (STUDIO / "src").rglob("*.ts*"))
    for group, texts in TEXTS.items():
        named = re.search(rf"text\.{group}\b", sources)
        assert named, group
        for key in texts:
            direct = re.search(rf"text\.{group}\.{key}\b", sources)
            by_table = re.search(rf"text\.{group}(?!\.\w)", sources)
            assert direct or by_table, f"{group}.{key}"


def test_the_built_files_are_listed_by_the_worker_and_come_with_their_licences() -> None:
    worker = (BUILT / "sw.js").read_text()
    for path in (BUILT / "assets").iterdir():
        assert f"/static/studio/assets/{path.name}" in worker
    licences = (BUILT / "LICENSES.txt").read_text()
    assert all(f"{library}\n\n" in licences for library in ("lucide", "preact", "three", "three-mesh-bvh"))
