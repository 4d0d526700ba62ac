"""A stored mesh with another look: in a material, or painted with pictures of its sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from orfeas.domain.formats import MESH_FORMATS
from orfeas.domain.materials import material_text, with_properties
from orfeas.domain.presets import MATERIALS, Material
from orfeas.domain.specs import Texture
from orfeas.errors import InvalidRequestError, ParameterNotSupportedError
from orfeas.jobs.plan import Node, Plan
from orfeas.services.plans.common import prepared
from orfeas.services.plans.meshes import REQUESTS, ReworkRequest, StoredMesh

BASE_MATERIAL = "metal"
"""The preset that own properties change where none is named, as for the metadata of materials."""
SIZE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TextureRequest(ReworkRequest):
    """A look for a mesh. `images` are the pictures by view, each `{"asset_id": ...}`; `custom` replaces fields."""

    mode: str
    material: str | None = None
    custom: Mapping[str, Any] | None = None
    images: Mapping[str, Mapping[str, str]] | None = None
    size: int | None = None

    type: ClassVar[str] = "texture"
    prefix: ClassVar[str] = "textured_"

    @property
    def views(self) -> dict[str, str]:
        """The assets of the pictures by view."""
        return {view: image["asset_id"] for view, image in (self.images or {}).items()}

    def check(self, own_format: str | None = None) -> None:
        """Raise what it is refused for; `own_format` is that of the mesh, once it is known.

        Raises
        ------
        InvalidRequestError
            Neither material nor picture is given.
        ParameterNotSupportedError
            A member changes nothing in this mode, or no file can show the look.
        """
        if self.mode == "paint":
            raise ParameterNotSupportedError.at(
                "/mode", "mode paint is not part of this release; use material or projection."
            )
        for pointer, why in self._without_effect():
            raise ParameterNotSupportedError.at(
                pointer, f"{pointer[1:].split('/')[0]} has no effect: {why}; leave it out."
            )
        if self.mode == "material" and self.material is None and not self.custom:
            raise InvalidRequestError.at(
                "/material", f"mode material needs a material ({', '.join(MATERIALS)}) or custom.", code="required"
            )
        if self.mode == "projection" and not self.images:
            raise InvalidRequestError.at(
                "/images", "mode projection needs images, at least one of its sides.", code="required"
            )
        self._check_formats(own_format)

    def warnings(self, own_format: str) -> tuple[str, ...]:
        """What the files cannot show of it."""
        names = self.formats or (own_format,)
        coarse = [name for name in names if not MESH_FORMATS[name].textures]
        if self.mode == "material" or not coarse:
            return ()
        return (f"{', '.join(coarse)}: the file has the picture's colours at the vertices only.",)

    def plan(self, given: StoredMesh) -> Plan:
        """Read, texture, write."""
        read = given.read(self.unit)
        if self.mode == "material":
            spec = Texture(size=0, mode="material", material=material_text(self._material))
            return Plan(self.outputs(given, Node(spec, (read,))))
        views = tuple(given.pictures)
        cut_out = (prepared(picture, given.background) for picture in given.pictures.values())
        spec = Texture(size=self.size or SIZE, mode="projection", views=views)
        return Plan(self.outputs(given, Node(spec, (read, *cut_out))))

    @property
    def _material(self) -> Material:
        return with_properties(MATERIALS[self.material or BASE_MATERIAL], self.custom or {})

    def _without_effect(self) -> Iterator[tuple[str, str]]:
        if self.mode == "material":
            if self.images:
                yield "/images", "a material shows no picture"
            if self.size is not None:
                yield "/size", "a material has no texture"
            if "normal_scale" in (self.custom or {}):
                yield "/custom/normal_scale", "normal_scale needs a normal map, and the material has none"
        elif self.material is not None or self.custom:
            yield "/material" if self.material is not None else "/custom", "a projection shows pictures"

    def _check_formats(self, own_format: str | None) -> None:
        names = self.formats or ((own_format,) if own_format else ())
        if names and not any(MESH_FORMATS[name].colors for name in names):
            raise ParameterNotSupportedError.at(
                "/formats", f"{', '.join(names)} carries no colours; ask for formats glb, obj or 3mf."
            )


REQUESTS[TextureRequest.type] = TextureRequest
