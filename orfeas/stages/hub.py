"""The Hugging Face hub: what a repository holds, and downloads that go on where they stopped.

Only the io worker and commands import this. `HF_ENDPOINT`, `HF_TOKEN` and the proxies' variables are the library's own.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Xet downloads neither resume by Range nor stop when they are told to.
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from orfeas.errors import CapabilityMissingError, ModelUnavailableError, UpstreamFailedError
from orfeas.version import __version__

TIMEOUT_S = 10.0
# What is not a whole piece is lost when a connection breaks, and a job that is cancelled ends after a piece.
constants.DOWNLOAD_CHUNK_SIZE = 256 << 10

# Its retries are its own affair: what fails in the end is told by the job.
logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository: one of the hashes is known, `blob_id` being git's."""

    path: str
    size_bytes: int
    sha256: str | None
    blob_id: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository's sub-folder at a commit."""

    repo: str
    commit: str
    subfolder: str
    files: dict[str, HubFile]


def list_folder(repo: str, subfolder: str) -> Listing:
    """The files of a sub-folder as they are published now."""
    with _problems(repo):
        info = HfApi(library_name="orfeas", library_version=__version__).model_info(
            repo, files_metadata=True, timeout=TIMEOUT_S
        )
    start = f"{subfolder}/"
    files = {
        sibling.rfilename.removeprefix(start): HubFile(
            sibling.rfilename.removeprefix(start),
            int(sibling.size or 0),
            sibling.lfs.sha256 if sibling.lfs else None,
            sibling.blob_id,
        )
        for sibling in info.siblings or []
        if sibling.rfilename.startswith(start)
    }
    if not info.sha or not files:
        raise ModelUnavailableError(f"The repository {repo} has no folder {subfolder}; give another source.")
    return Listing(repo, info.sha, subfolder, files)


def download(listing: Listing, file: HubFile, target: Path, on_bytes: Callable[[int], None]) -> None:
    """Append what is missing of a file to `target`; what was there stays when it breaks off.

    `on_bytes` is told how many bytes came, and raises to stop.
    """
    start = target.stat().st_size if target.exists() else 0
    if start > file.size_bytes:
        target.unlink()
        start = 0
    on_bytes(start)
    url = hf_hub_url(listing.repo, file.path, subfolder=listing.subfolder, revision=listing.commit)
    headers = build_hf_headers(library_name="orfeas", library_version=__version__)
    headers["Accept-Encoding"] = "identity"
    with _problems(listing.repo), target.open("ab") as stream:
        http_get(
            url,
            stream,
            resume_size=start,
            headers=headers,
            expected_size=file.size_bytes,
            displayed_filename=file.path,
            tqdm_class=_counter(on_bytes),
        )


def _counter(on_bytes: Callable[[int], None]) -> Any:
    """What the library takes for a progress bar."""

    class Counter:
        def __init__(self, **_: Any) -> None:
            pass

        def __enter__(self) -> Counter:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, count: int) -> None:
            on_bytes(count)

    return Counter


@contextmanager
def _problems(repo: str) -> Iterator[None]:
    """What may go wrong, in words that say what to do."""
    try:
        yield
    except GatedRepoError as error:
        raise ModelUnavailableError(
            f"The hub gives {repo} only to who accepted its terms there; do so and set HF_TOKEN."
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise ModelUnavailableError(
            f"The hub has no repository {repo}, or it is private; set HF_TOKEN or give another source."
        ) from error
    except OfflineModeIsEnabled as error:
        raise CapabilityMissingError("HF_HUB_OFFLINE forbids downloads; unset it, or give a local folder.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no status"
        raise UpstreamFailedError(f"The hub answered {status} for {repo}; pull again later, it goes on.") from error
    except httpx2.HTTPError as error:
        raise UpstreamFailedError(
            f"The download from {repo} broke off ({type(error).__name__}); pull again, it goes on where it was."
        ) from error
    except ValueError as error:
        raise UpstreamFailedError(f"What answered for {repo} is no hub; is HF_ENDPOINT right? ({error})") from error
