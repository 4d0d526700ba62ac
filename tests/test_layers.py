"""Imports follow the layers, and the light processes stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import Server

PACKAGE = Path(__file__).parents[1] / "orfeas"
SHARED = {"config", "errors", "version", "domain"}
"""Importable by every layer; they import nothing else of the package."""
MAY_IMPORT = {
    "domain": {"domain"},
    "geometry": {"geometry"},
    "imaging": {"imaging"},
    "llm": {"llm"},
    "stages": {"stages", "geometry", "imaging", "llm", "storage"},
    "gpu": {"gpu", "stages", "geometry", "storage"},
    "storage": {"storage"},
    "jobs": {"jobs", "storage"},
    "services": {"services", "jobs", "storage", "imaging", "llm", "remote"},
    "routes": {"routes", "services", "jobs", "imaging", "llm", "logs"},
    "remote": set(),
    "config": set(),
    "errors": set(),
    "version": set(),
    "logs": set(),
}
WORKER_SIDE = {"child", "worker", "gpu", "gpu_child", "inline", "inprocess", "claims", "leases", "patience"}
"""Modules of `jobs` that hand stages to the runner; nothing in the web process imports them."""
STARTS_JOBS = {"services/agents/steps.py"}
"""The stage of agents starts jobs, which only services can, so it is both: a stage that is built from services."""
TOP = {
    "__init__", "__main__", "app", "cli", "doctor", "generate", "mesh_commands", "model_commands", "openapi",
    "reference",
}  # fmt: skip
"""Wiring and commands: they see everything."""
HEAVY = {"torch", "scipy", "trimesh", "skimage", "cv2", "diffusers", "transformers"}
HEAVY_LAYERS = {"geometry", "gpu", "stages"}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)


def layer_of(path: Path) -> str:
    """The part of the package that a file belongs to."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Every absolute module name in the import statements of a file, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            module = node.module or ""
            found |= {f"orfeas.{alias.name}" for alias in node.names} if module == "orfeas" else {module}
    return found


def own_layers(path: Path) -> set[str]:
    """The parts of the package that a file imports."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("orfeas.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_layers(path: Path) -> None:
    layer = layer_of(path)
    if layer in TOP:
        return
    allowed = MAY_IMPORT[layer] | SHARED | ({"stages"} if layer == "jobs" and path.stem in WORKER_SIDE else set())
    if str(path.relative_to(PACKAGE)) in STARTS_JOBS:
        allowed |= {"stages"}
    if layer in SHARED:
        allowed = MAY_IMPORT[layer] | ({"domain"} if layer == "domain" else set())
    assert own_layers(path) <= allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_by_geometry_and_stages_only(path: Path) -> None:
    heavy = {name.split(".")[0] for name in imported(path)} & HEAVY
    assert not heavy or layer_of(path) in HEAVY_LAYERS
    assert "torch" not in heavy or layer_of(path) == "gpu"


def test_domain_needs_the_standard_library_only() -> None:
    for path in (PACKAGE / "domain").rglob("*.py"):
        outside = (
            {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names) - {"orfeas", "__future__"}
        )
        assert not outside, path.name


def loaded_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_web_process_loads_no_heavy_library(tmp_path: Path) -> None:
    statement = f"""
from pathlib import Path
from orfeas.app import create_app
from orfeas.config import Config
app = create_app(Config(data_dir=Path({str(tmp_path)!r}), disk_reserve_mb=0))
client = app.test_client()
for path in ("/api/health", "/ready", "/openapi.json", "/api/v1/capabilities", "/api/v1/models",
             "/api/formats", "/metrics"):
    assert client.get(path).status_code in (200, 503), path
"""
    assert not loaded_after(statement) & HEAVY


def test_a_workers_parent_loads_no_numpy() -> None:
    assert "numpy" not in loaded_after("import orfeas.cli, orfeas.jobs.worker, orfeas.jobs.gpu, orfeas.jobs.server")


def test_the_command_line_starts_light() -> None:
    assert not loaded_after("import orfeas.cli") & {*HEAVY, "numpy", "flask", "sqlalchemy", "PIL"}


def test_the_running_web_process_maps_no_heavy_library_and_is_small(tmp_path: Path) -> None:
    """The real process: what it has mapped, and its memory."""
    with Server(tmp_path, cpu_workers=1, disk_reserve_mb=0) as server:
        web = server.processes("_web")
        assert web
        for process in web:
            mapped = {Path(entry.path).parts for entry in process.memory_maps()}
            assert not {name for parts in mapped for name in parts} & HEAVY
            assert process.memory_info().rss < 130e6
        parents = [process for process in server.processes("_worker") if "cpu" in process.cmdline()]
        assert parents
        for process in parents:
            assert not any("numpy" in Path(entry.path).parts for entry in process.memory_maps())
