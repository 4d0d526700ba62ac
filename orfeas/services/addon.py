"""The three-path API of existing add-ons, over ordinary jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orfeas.domain.caller import Caller
from orfeas.errors import EmptyMeshError, InvalidRequestError, ParameterNotSupportedError, UnreadableMeshError
from orfeas.jobs.views import JobView, Surface
from orfeas.services.assets import Asset, AssetService
from orfeas.services.generation import GenerationService, Options
from orfeas.services.meshes import MeshService
from orfeas.services.plans.meshes import MeshRequest

DEFAULTS: Mapping[str, Any] = {
    field.name: field.default for field in Options.__dataclass_fields__.values() if field.name != "formats"
}
MEMBERS = {
    "seed": "seed",
    "octree_resolution": "octree_resolution",
    "num_inference_steps": "steps",
    "guidance_scale": "guidance_scale",
    "face_count": "target_faces",
}
"""The add-ons' names and ours."""
OF_SHAPES = (*MEMBERS, "texture", "remove_background")
"""What a mesh that is given leaves without effect."""


class AddonService:
    """Make what an add-on asks for; what the engine cannot use is left out and named."""

    def __init__(self, generation: GenerationService, meshes: MeshService, assets: AssetService) -> None:
        self._generation = generation
        self._meshes = meshes
        self._assets = assets

    def create(self, caller: Caller, params: Mapping[str, Any], given: frozenset[str]) -> JobView:
        """A job; its run has a warning for each parameter of the client that has no effect.

        Parameters
        ----------
        params
            Validated members with their defaults; `image` and `mesh` are bytes.
        given
            The members that the client sent: only these are worth a warning.
        """
        if "mesh" in params:
            return self._projected(caller, params, given)
        options = _options(params)
        images = self._images(caller, params)
        warnings: list[str] = []
        for _ in range(len(DEFAULTS)):
            try:
                return self._generation.create(caller, options, images, warnings=warnings)
            except ParameterNotSupportedError as error:
                refused = {entry["pointer"].split("/")[1]: entry["detail"] for entry in error.errors}
                known = {name: DEFAULTS[name] for name in refused if name in DEFAULTS}
                if not known or all(getattr(options, name) == value for name, value in known.items()):
                    raise
                warnings += [detail for name, detail in refused.items() if _sent(name) & given]
                options = replace(options, **known)
        raise AssertionError("every round takes a parameter away")

    def _projected(self, caller: Caller, params: Mapping[str, Any], given: frozenset[str]) -> JobView:
        """The mesh that came along with the picture on its front."""
        try:
            mesh = self._assets.store_mesh(caller, params["mesh"], "mesh.glb")
        except (UnreadableMeshError, EmptyMeshError) as error:
            raise InvalidRequestError.at("/mesh", error.detail) from error
        front = {"asset_id": self._assets.store_image(caller, params["image"], "picture").id}
        asked = {"mode": "projection", "images": {"front": front}, "formats": [params["type"]]}
        request = MeshRequest.of("texture", asked)
        unused = [f"{name} has no effect: the mesh is given." for name in OF_SHAPES if name in given]
        return self._meshes.create(caller, Surface.V1, request, mesh, warnings=unused)

    def _images(self, caller: Caller, params: Mapping[str, Any]) -> dict[str, Asset]:
        if "text" in params:
            return {}
        return {"front": self._assets.store_image(caller, params["image"], "picture")}


def _options(params: Mapping[str, Any]) -> Options:
    textured = bool(params["texture"])
    return Options(
        formats=(params["type"],),
        seed=params["seed"],
        octree_resolution=params["octree_resolution"],
        steps=params["num_inference_steps"],
        guidance_scale=params["guidance_scale"],
        target_faces=params.get("face_count") or (params["default_face_count"] if textured else None),
        texture="auto" if textured else "none",
        remove_background="auto" if params["remove_background"] else "never",
        prompt=params.get("text"),
        preview=False,
    )


def _sent(member: str) -> frozenset[str]:
    """The add-ons' names of one of our members."""
    return frozenset(theirs for theirs, ours in MEMBERS.items() if ours == member) or frozenset({member})
