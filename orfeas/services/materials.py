"""Materials and light: presets with own properties, as documents and as files of a job."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orfeas.domain.caller import Caller
from orfeas.domain.materials import (
    lighting_document,
    lighting_threejs,
    material_document,
    material_threejs,
    mtl,
    with_properties,
)
from orfeas.domain.presets import LIGHTING, MATERIALS, Material
from orfeas.domain.specs import WriteMaterial
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.plan import Node, Output, Plan
from orfeas.jobs.views import JobView, RunRequest, RunView, Surface
from orfeas.version import __version__

METADATA_FILE = "material_metadata.json"
MEDIA_TYPES = {"json": "application/json", "mtl": "model/mtl"}


@dataclass(frozen=True, slots=True)
class MaterialFile:
    """A text with the job that keeps it as a file; `job` is None where only the text was wanted."""

    content: Any
    filename: str
    job: JobView | None = None


class MaterialService:
    """Describe materials and light, and write them to files."""

    JOB_TYPE = "material"

    def __init__(self, jobs: Jobs, *, now: Callable[[], float] = time.time) -> None:
        self._jobs = jobs
        self._now = now

    def metadata(
        self, caller: Caller, material_type: str, environment: str, properties: Mapping[str, Any], *, save: bool
    ) -> MaterialFile:
        """A material and a light in every form that clients use; kept as a file with `save`."""
        document = self._document(material_type, environment, properties)
        if not save:
            return MaterialFile(document, METADATA_FILE)
        asked = {
            "material_type": material_type, "lighting_environment": environment, "custom_properties": dict(properties),
        }  # fmt: skip
        return MaterialFile(document, METADATA_FILE, self._kept(caller, asked, _json(document), METADATA_FILE))

    def export_mtl(self, caller: Caller, material_type: str, name: str, properties: Mapping[str, Any]) -> MaterialFile:
        """The MTL text, also as a file of a job."""
        text = mtl(name, material_of(material_type, properties))
        asked = {"material_type": material_type, "material_name": name, "custom_properties": dict(properties)}
        filename = f"{name}.mtl"
        return MaterialFile(text, filename, self._kept(caller, asked, text, filename))

    def retry(self, caller: Caller, run: RunView, *, retried_from: str) -> JobView:
        """The same file again."""
        asked = dict(run.request)
        kind, properties = asked["material_type"], asked["custom_properties"]
        if "material_name" in asked:
            name = asked["material_name"]
            return self._kept(caller, asked, mtl(name, material_of(kind, properties)), f"{name}.mtl", retried_from)
        document = self._document(kind, asked["lighting_environment"], properties)
        return self._kept(caller, asked, _json(document), METADATA_FILE, retried_from)

    def _document(self, material_type: str, environment: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        material, rig = material_of(material_type, properties), LIGHTING[environment]
        moment = datetime.fromtimestamp(self._now(), UTC)
        return {
            "orfeas_version": __version__,
            "material": material_document(material_type, material),
            "material_threejs": material_threejs(material),
            "lighting": lighting_document(environment, rig),
            "lighting_threejs": lighting_threejs(rig),
            "timestamp": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z",
        }

    def _kept(
        self, caller: Caller, asked: dict[str, Any], text: str, filename: str, retried_from: str | None = None
    ) -> JobView:
        node = Node(WriteMaterial(text=text))
        kind = filename.rsplit(".", 1)[1]
        output = Output(node, "report", kind, filename, MEDIA_TYPES[kind])
        run = RunRequest(type=self.JOB_TYPE, plan=Plan((output,)), request=asked)
        return self._jobs.create(caller, Surface.COMPATIBLE, run, retried_from=retried_from)


def material_of(name: str, properties: Mapping[str, Any]) -> Material:
    """A preset with own properties."""
    return with_properties(MATERIALS[name], properties)


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"
