"""A model as it is now: what the catalogue, the disk and the rows say about it, put together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from orfeas.domain.models import CONFIG, RELEASES, WEIGHTS, Capabilities, Licence, Release, ids_of
from orfeas.services.models.configuration import read_capabilities
from orfeas.storage.model_folder import FoundModel, ModelFolder
from orfeas.storage.model_rows import Acknowledgement, Known

OUTSIDE = "This model is not in the catalogue: its licence is not known here. Read its terms before you use it."


class State(StrEnum):
    """Whether a model can be used."""

    ABSENT = "absent"
    DOWNLOADING = "downloading"
    INSTALLED = "installed"
    LOADED = "loaded"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model, there or not. What is not known is None."""

    path: str
    size_bytes: int | None
    sha256: str | None
    present: bool


@dataclass(frozen=True, slots=True)
class Model:
    """A model. `revision` is None while it is absent, or while its files are not hashed yet."""

    id: str
    repo: str
    subfolder: str
    state: State
    revision: str | None
    size_bytes: int | None
    files: tuple[ModelFile, ...]
    family: str | None
    task: str | None
    variant: str | None
    capabilities: Capabilities | None
    licence: Licence | None
    acknowledgement: Acknowledgement | None
    warnings: tuple[str, ...]

    @property
    def installed(self) -> bool:
        """Whether its files are there and whole."""
        return self.state in (State.INSTALLED, State.LOADED)

    @property
    def place(self) -> str:
        """Where it lies below the folder of models."""
        return f"{self.repo}/{self.subfolder}"


def build_models(
    folder: ModelFolder, found: Mapping[str, FoundModel], known: Mapping[str, Known], pulled: frozenset[str]
) -> tuple[Model, ...]:
    """Every model: the releases in the order of the catalogue, then the others by place.

    `pulled` are the places that somebody is bringing just now.
    """
    ids = ids_of(found)
    return tuple(
        _Builder(folder, place, ids[place], found.get(place), known[place], brought=place in pulled).model()
        for place in ids
    )


class _Builder:
    """Puts one model together."""

    def __init__(
        self,
        folder: ModelFolder,
        place: str,
        model_id: str,
        found: FoundModel | None,
        known: Known,
        *,
        brought: bool,
    ) -> None:
        self._folder = folder
        self._place = place
        self._id = model_id
        self._found = found
        self._known = known
        self._brought = brought
        self._release: Release | None = RELEASES.get(place)
        self._there = {file.path: file for file in found.files} if found else {}

    def model(self) -> Model:
        """The model."""
        repo, _, subfolder = self._place.rpartition("/")
        problems = self._problems() if self._found else []
        release = self._release
        capabilities = read_capabilities(self._folder.config_text(self._place)) if self._found else None
        return Model(
            id=self._id,
            repo=repo,
            subfolder=subfolder,
            state=self._state(problems),
            revision=self._revision() if self._found and not problems else None,
            size_bytes=sum(file.size_bytes for file in self._there.values()) if self._found else None,
            files=self._files(),
            family=release.family if release else "hunyuan3d" if capabilities else None,
            task=release.task if release else "shape" if capabilities else None,
            variant=release.variant if release else None,
            capabilities=capabilities or (release.capabilities if release else None),
            licence=release.licence if release else None,
            acknowledgement=self._acknowledgement(),
            warnings=(*problems, *(() if release else (OUTSIDE,))),
        )

    def _state(self, problems: list[str]) -> State:
        if self._found and not problems:
            return State.INSTALLED
        if self._brought:
            return State.DOWNLOADING
        return State.CORRUPT if self._found else State.ABSENT

    def _problems(self) -> list[str]:
        """Why the files cannot be used, as far as sizes and kept hashes tell."""
        found = []
        if not any(name in self._there for name in WEIGHTS):
            found.append(f"It has none of {', '.join(WEIGHTS)}. Pull it again.")
        for path, sha256 in self._promised().items():
            if path not in self._there:
                found.append(f"{path} is missing. Pull the model again.")
            elif (self._sha256(path) or sha256) != sha256:
                found.append(f"{path} is not the file that was published. Pull the model again.")
        for file in self._release.files if self._release else ():
            there = self._there.get(file.path)
            if there and file.size_bytes is not None and file.size_bytes != there.size_bytes:
                found.append(f"{file.path} has {there.size_bytes} bytes instead of {file.size_bytes}. Pull it again.")
        return found

    def _promised(self) -> dict[str, str]:
        """The hashes that a download or the catalogue gave."""
        catalogue = self._release.files if self._release else ()
        given = {file.path: file.sha256 for file in catalogue if file.sha256 and file.path in self._there}
        return {**given, **(self._known.install.files if self._known.install else {})}

    def _sha256(self, path: str) -> str | None:
        file = self._there.get(path)
        return self._known.sha256(file) if file else None

    def _revision(self) -> str | None:
        """The hub's commit if these are the files that came with it, else a hash over names and hashes."""
        hashes = {path: self._sha256(path) for path in self._there}
        install = self._known.install
        if install and install.revision and all(hashes.get(path) == sha256 for path, sha256 in install.files.items()):
            return install.revision
        return revision_of(hashes)

    def _files(self) -> tuple[ModelFile, ...]:
        present = [ModelFile(path, file.size_bytes, self._sha256(path), True) for path, file in self._there.items()]
        wanted = [file for file in self._release.files if file.path not in self._there] if self._release else []
        if any(name in self._there for name in WEIGHTS):
            wanted = [file for file in wanted if file.path not in WEIGHTS]  # other weights do as well
        absent = [ModelFile(file.path, file.size_bytes, file.sha256, False) for file in wanted]
        return tuple(sorted([*present, *absent], key=lambda file: (file.path != CONFIG, file.path)))

    def _acknowledgement(self) -> Acknowledgement | None:
        """What was accepted, if it was these terms."""
        given, licence = self._known.acknowledgement, self._release.licence if self._release else None
        return given if given and licence and given.licence == licence.name else None


def revision_of(hashes: Mapping[str, str | None]) -> str | None:
    """SHA-256 over the sorted names and hashes of all files; None while one is not known."""
    digest = hashlib.sha256()
    for path, sha256 in sorted(hashes.items()):
        if sha256 is None:
            return None
        digest.update(f"{path}\0{sha256}\n".encode())
    return digest.hexdigest()


def stat_digest(found: FoundModel) -> str:
    """A name for the files as they are now by size and time of change."""
    return hashlib.sha256(repr(found).encode()).hexdigest()
