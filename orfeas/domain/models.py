"""The released checkpoints of Hunyuan3D as data: where they are, what they hold, under which licence."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from types import MappingProxyType

from orfeas.domain import quality

CONFIG = "config.yaml"
WEIGHTS = ("model.fp16.safetensors", "model.safetensors", "model.fp16.ckpt", "model.ckpt")
"""Names of files of weights, in the order of preference."""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
"""One part of a repository's or sub-folder's name; nothing else is looked at or written to."""
RESERVED_IDS = frozenset({"list", "swap", "load-lora", "cache-status", "clear-cache"})
"""Words that follow `/api/v1/models/` for another reason."""

EUROPEAN_UNION = (
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
)  # fmt: skip
"""Members, as ISO 3166-1 codes."""
_SPELLINGS = MappingProxyType({"EL": "GR", "UK": "GB"})
"""Codes that the European Union uses in place of those of ISO 3166."""


@dataclass(frozen=True, slots=True)
class Licence:
    """The terms of a model.

    `commercial`: whether they allow it at all; `user_cap`: monthly active users up to which they do, None for no cap;
    `excluded_territories`: ISO 3166 codes of where the model must not be used.
    """

    name: str
    url: str
    commercial: bool
    user_cap: int | None
    excluded_territories: tuple[str, ...]

    def excludes(self, territory: str) -> bool:
        """Whether the terms forbid use in a country."""
        return _SPELLINGS.get(territory, territory) in self.excluded_territories


def _tencent(version: str, repo: str) -> Licence:
    """The community licences: section 5 (territory, and the cap of 1 million monthly active users) is the same."""
    return Licence(
        name=f"Tencent Hunyuan 3D {version} Community License",
        url=f"https://huggingface.co/{repo}/blob/main/LICENSE",
        commercial=True,
        user_cap=1_000_000,
        excluded_territories=(*EUROPEAN_UNION, "GB", "KR"),
    )


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a checkpoint can do.

    `component`: `pipeline` makes shapes, `decoder` only turns the latents of one into a surface; `views`: the pictures
    it takes; `guidance_embedding`: guidance costs it no second evaluation; `distilled`: it needs few steps.
    """

    component: str
    views: tuple[str, ...] = ("front",)
    guidance_embedding: bool = False
    distilled: bool = False

    @property
    def steps(self) -> int | None:
        """Denoiser evaluations at the default quality."""
        if self.component != "pipeline":
            return None
        return (quality.TURBO if self.distilled else quality.FULL)[quality.DEFAULT].steps


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """A file of a release. Its size and hash are None where they are not known for certain."""

    path: str
    size_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """A published checkpoint: one sub-folder of a repository."""

    repo: str
    subfolder: str
    variant: str
    files: tuple[CatalogueFile, ...]
    licence: Licence
    capabilities: Capabilities
    family: str = "hunyuan3d"
    task: str = "shape"

    @property
    def place(self) -> str:
        """Where it lies below the folder of models."""
        return f"{self.repo}/{self.subfolder}"


SAFETENSORS, PICKLE = "model.fp16.safetensors", "model.fp16.ckpt"
FOUR_VIEWS = ("front", "left", "back", "right")
SIZES = MappingProxyType(
    {
        "hunyuan3d-dit-v2-mini": 3_819_958_234,
        "hunyuan3d-vae-v2-mini": 428_455_666,
        "hunyuan3d-dit-v2-1": 7_366_389_768,
        "hunyuan3d-vae-v2-1": 655_648_152,
    }
)
"""Bytes of the weights that were published with these checkpoints."""


def _release(repo: str, subfolder: str, variant: str, weights: str, capabilities: Capabilities) -> Release:
    version = "2.1" if repo.endswith("-2.1") else "2.0"
    files = (CatalogueFile(CONFIG), CatalogueFile(weights, SIZES.get(subfolder)))
    return Release(repo, subfolder, variant, files, _tencent(version, repo), capabilities)


def _shape_models(repo: str, stem: str, variant: str, views: tuple[str, ...] = ("front",)) -> tuple[Release, ...]:
    """The model, its guidance-distilled `-fast` and its step-distilled `-turbo`."""
    kinds = (
        ("", Capabilities("pipeline", views)),
        ("-fast", Capabilities("pipeline", views, guidance_embedding=True)),
        ("-turbo", Capabilities("pipeline", views, guidance_embedding=True, distilled=True)),
    )
    return tuple(_release(repo, stem + kind, variant + kind, SAFETENSORS, can) for kind, can in kinds)


def _decoders(repo: str, stem: str, variant: str) -> tuple[Release, ...]:
    decoder = Capabilities("decoder", views=())
    return tuple(
        _release(repo, stem + kind, f"vae-{variant}{kind}", SAFETENSORS, decoder)
        for kind in ("", "-turbo", "-withencoder")
    )


CATALOGUE: tuple[Release, ...] = (
    *_shape_models("tencent/Hunyuan3D-2", "hunyuan3d-dit-v2-0", "2.0"),
    *_shape_models("tencent/Hunyuan3D-2mini", "hunyuan3d-dit-v2-mini", "mini"),
    _release("tencent/Hunyuan3D-2.1", "hunyuan3d-dit-v2-1", "2.1", PICKLE, Capabilities("pipeline")),
    *_shape_models("tencent/Hunyuan3D-2mv", "hunyuan3d-dit-v2-mv", "mv", FOUR_VIEWS),
    *_decoders("tencent/Hunyuan3D-2", "hunyuan3d-vae-v2-0", "2.0"),
    *_decoders("tencent/Hunyuan3D-2mini", "hunyuan3d-vae-v2-mini", "mini"),
    _release("tencent/Hunyuan3D-2.1", "hunyuan3d-vae-v2-1", "vae-2.1", PICKLE, Capabilities("decoder", views=())),
)
"""In the order in which an engine chosen by itself looks for one: models of a single view before those of several."""

RELEASES = MappingProxyType({release.place: release for release in CATALOGUE})


def ids_of(places: Iterable[str]) -> dict[str, str]:
    """The id of each place below the folder of models: the sub-folder's name, with its repository on collision.

    Releases keep the plain name. Ids depend on which places there are, not on their order.
    """
    outside = sorted(set(places) - RELEASES.keys())
    ids = {release.place: release.subfolder for release in CATALOGUE}
    names = [_subfolder(place) for place in outside]
    taken = {*ids.values(), *RESERVED_IDS, *(name for name in names if names.count(name) > 1)}
    for place, name in zip(outside, names, strict=True):
        ids[place] = name if name not in taken else _unused(f"{name}--{slug(place.rpartition('/')[0])}", ids.values())
    return ids


def slug(repo: str) -> str:
    """A repository's name as part of an id."""
    return re.sub(r"[^a-z0-9._]+", "-", repo.lower()).strip("-")


def is_hub_id(source: str) -> bool:
    """Whether a source is spelled as a repository of the hub: `owner/name`."""
    parts = source.split("/")
    return len(parts) == 2 and all(NAME.fullmatch(part) for part in parts)


def _subfolder(place: str) -> str:
    return place.rpartition("/")[2]


def _unused(wanted: str, taken: Collection[str]) -> str:
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    return name
