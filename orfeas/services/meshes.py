"""Work on stored meshes: look at them, mend, reduce, prepare and convert them, as jobs of both surfaces."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from orfeas.config import Config
from orfeas.domain.caller import Caller
from orfeas.domain.formats import MESH_FORMATS, READABLE, Formats
from orfeas.errors import FormatUnavailableError, InvalidRequestError, ParameterNotSupportedError
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.plan import Plan, Source
from orfeas.jobs.views import JobInput, JobView, RunRequest, RunView, Surface
from orfeas.services.assets import Asset, AssetService
from orfeas.services.exports import NO_FFMPEG, require_writable
from orfeas.services.folder_models import BackgroundModels
from orfeas.services.plans.meshes import (
    REQUESTS,
    ExportRequest,
    MeshRequest,
    ReworkRequest,
    StoredMesh,
    facts_plan,
)
from orfeas.services.plans.renders import TurntableRequest
from orfeas.services.plans.texture import TextureRequest

STEM_CHARACTERS = 80
NODELESS = ("stl", "ply", "off")
"""Formats that hold one surface."""
FIXED_UNITS = {"glb": "m", "gltf": "m"}
"""Formats that prescribe their unit."""


class MeshService:
    """Plan work on stored meshes; no vertex is touched here."""

    JOB_TYPES = tuple(REQUESTS)
    """What jobs of this category are called."""

    def __init__(self, config: Config, jobs: Jobs, assets: AssetService, backgrounds: BackgroundModels) -> None:
        self._config = config
        self._jobs = jobs
        self._assets = assets
        self._backgrounds = backgrounds

    def create(
        self,
        caller: Caller,
        surface: Surface,
        request: MeshRequest,
        asset: Asset,
        *,
        filename: str | None = None,
        retried_from: str | None = None,
        job_id: str | None = None,
        timeout_s: float | None = None,
        warnings: Sequence[str] = (),
    ) -> JobView:
        """A job that does what is asked of a stored mesh, which the client calls `filename`.

        Its run carries further `warnings`.

        Raises
        ------
        InvalidRequestError
            The input is no mesh that can be read here.
        FormatUnavailableError
            A format cannot be written here.
        ParameterNotSupportedError
            The unit of a file that states its own cannot be chosen.
        """
        shown = filename or asset.filename
        asked = self._asked(caller, request, asset, shown)
        asked = replace(asked, timeout_s=timeout_s, warnings=(*asked.warnings, *warnings))
        views = request.views if isinstance(request, TextureRequest) else None
        given = JobInput(asset_id=asset.id, original_filename=shown, views=views or None)
        return self._jobs.create(caller, surface, asked, input=given, job_id=job_id, retried_from=retried_from)

    def check(self, request: MeshRequest) -> None:
        """Raise what a request is refused for whatever its mesh is."""
        if isinstance(request, ReworkRequest):
            require_writable(Formats(self._config.blender), request.formats)
        if isinstance(request, TurntableRequest) and request.format == "mp4" and not self._config.ffmpeg:
            raise FormatUnavailableError(f"mp4: {NO_FFMPEG}")
        if isinstance(request, TextureRequest):
            request.check()
        if isinstance(request, ExportRequest) and request.written_unit is not None:
            _refuse_written_unit(request.written_unit, request.formats[0])
        if isinstance(request, ExportRequest) and request.needs_nodes and request.formats[0] in NODELESS:
            name = request.formats[0]
            detail = f"A {name} file holds one surface: ask for bundle, or for glb, obj or 3mf."
            raise InvalidRequestError.at("/bundle", detail)

    def retry(self, caller: Caller, run: RunView, *, retried_from: str) -> JobView:
        """The same request as a new job."""
        asset = self._assets.content(caller, run.request["input"]["asset_id"])
        request = MeshRequest.of(run.type, run.request)
        return self.create(
            caller, Surface.V1, request, asset, filename=run.request.get("input_file"), retried_from=retried_from
        )

    def with_facts(self, caller: Caller, asset: Asset, wait: Callable[[JobView], JobView]) -> Asset:
        """An asset with what is known of its mesh, read now where nobody has read it yet."""
        if asset.kind != "mesh" or asset.mesh is not None or asset.format not in READABLE:
            return asset
        asked = RunRequest("analyze", facts_plan(self.stored(caller, asset)), {"asset_id": asset.id})
        wait(self._jobs.create(caller, Surface.V1, asked, hidden=True))
        return self._assets.get(caller, asset.id)

    def stored(self, caller: Caller, asset: Asset, filename: str | None = None) -> StoredMesh:
        """A stored file as plans start from it, under its own or the client's name."""
        if asset.kind != "mesh" or asset.format not in READABLE:
            detail = f"{asset.filename!r} is {asset.format}, no mesh that is read here: {', '.join(READABLE)}."
            raise InvalidRequestError.at("/input", detail)
        return StoredMesh(
            source=self._assets.source_of(asset),
            format=asset.format,
            up_axis=asset.up_axis or MESH_FORMATS[asset.format].upload_up_axis,
            stem=stem_of(filename or asset.filename),
            max_faces=self._config.max_faces,
            licence=self._licence(caller, asset),
        )

    def _asked(self, caller: Caller, request: MeshRequest, asset: Asset, shown: str) -> RunRequest:
        self.check(request)
        _refuse_unit(request.unit, asset)
        given = self.stored(caller, asset, shown)
        warnings: tuple[str, ...] = ()
        if isinstance(request, TextureRequest):
            request.check(asset.format)
            given, warnings = self._with_pictures(caller, request, given), request.warnings(asset.format)
            if given.pictures and (instead := self._backgrounds.instead()):
                warnings = (*warnings, instead)
        plan: Plan = request.plan(given)
        document = {"input": {"asset_id": asset.id}, "input_file": shown, **request.document()}
        return RunRequest(type=request.type, plan=plan, request=document, checks=request.checks, warnings=warnings)

    def _with_pictures(self, caller: Caller, request: TextureRequest, given: StoredMesh) -> StoredMesh:
        pictures = self._pictures(caller, request)
        return replace(given, pictures=pictures, background=self._backgrounds.usable() if pictures else None)

    def _pictures(self, caller: Caller, request: TextureRequest) -> dict[str, Source]:
        """Where the pictures of a request start from, by view."""
        found = {view: self._assets.get(caller, asset_id) for view, asset_id in request.views.items()}
        for view, picture in found.items():
            if picture.pixel_sha256 is None:
                detail = f"{picture.filename!r} is no picture."
                raise InvalidRequestError.at(f"/images/{view}", detail)
        return {view: self._assets.source_of(picture) for view, picture in found.items()}

    def _licence(self, caller: Caller, asset: Asset) -> str | None:
        """The name of the terms that a mesh was made under, where a model made it here."""
        found = self._assets.maker(caller, asset)
        if found is None:
            return None
        latest = self._jobs.get(caller, found[0]).latest
        model: dict[str, Any] = (latest.settings.get("model") if latest else None) or {}
        licence = model.get("licence") or {}
        return licence.get("name")


def stem_of(filename: str) -> str:
    """A file's name without extension, of characters that are safe everywhere."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", PurePosixPath(filename.replace("\\", "/")).stem).strip("_-")
    return stem[:STEM_CHARACTERS] or "model"


def _refuse_written_unit(unit: str, format_name: str) -> None:
    found = MESH_FORMATS[format_name]
    if found.unit_stated and unit != found.unit:
        detail = f"A {format_name} file counts {found.unit} and says so; leave unit out."
        raise ParameterNotSupportedError.at("/unit", detail)


def _refuse_unit(unit: str | None, asset: Asset) -> None:
    found = MESH_FORMATS.get(asset.format)
    if unit is None or found is None or not found.unit_stated or FIXED_UNITS.get(asset.format) == unit:
        return
    detail = f"A {asset.format} file states its unit itself; leave unit out."
    raise ParameterNotSupportedError.at("/unit", detail)
