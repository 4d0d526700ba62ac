"""An example request and answer for each operation, for the OpenAPI document and the test that sends them.

Ids in examples are the constants below. The test replaces them by those of things it has made, so an example names
a job by `JOB_ID`, never by an id of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])

JOB_ID = "6f1c2a9e-4d1b-4a53-9a55-0c1f6f1a7b21"
"""A finished generation with a glb file, made by v1."""
UPLOADED_JOB_ID = "b0a7c1de-93f4-4f0e-8d0a-5a2f5e7c9e10"
"""A pending job of the compatible surface: a picture is stored, nothing was asked."""
COMPATIBLE_JOB_ID = "2d9b6a34-7c5e-4b8f-a1d6-3e4f5a6b7c8d"
"""A finished generation with a stl file, made by the compatible surface."""
RUNNING_JOB_ID = "91e0c7b2-5a3d-4f6e-8b1c-7d2e9f0a1b3c"
"""A queued generation, made by v1."""
BATCH_ID = "c3d4e5f6-1a2b-4c3d-8e4f-5a6b7c8d9e0f"
"""A batch of v1."""
COMPATIBLE_BATCH_ID = "d7e8f9a0-2b3c-4d5e-9f6a-1b2c3d4e5f60"
"""A batch of the compatible surface."""
ASSET_ID = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
"""An uploaded picture."""
UNUSED_ASSET_ID = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
"""An uploaded picture that nothing refers to."""
MODEL_ASSET_ID = "fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13"
"""The glb file of JOB_ID."""
PREVIEW_FILENAME = f"{UPLOADED_JOB_ID}_20260504_093000_mug.png"
"""The stored name of UPLOADED_JOB_ID's picture."""
MODEL_ID = "hunyuan3d-dit-v2-mini"
"""An installed model."""
MODEL_FOLDER = "/media/models"
"""A folder that has the files of MODEL_ID."""
LOADABLE_MODEL_ID = "hunyuan3d-dit-v2-mini-turbo"
"""An installed shape model of a server with a gpu worker."""
RELEASED_MODEL_ID = "hunyuan3d-dit-v2-0"
"""A model of the catalogue, installed or not."""
SCENE_ID = "5b7d1f3a-9c2e-4d6f-8a1b-0e2c4d6f8a1b"
"""A scene with one object."""
EMPTY_SCENE_ID = "1a3c5e7f-0b2d-4f6a-8c9e-7d5b3a1f0e2c"
"""A scene without objects."""
OBJECT_ID = "8e6c4a2f-1d3b-4e5a-9f7c-6b8d0f2a4c6e"
"""The object of SCENE_ID."""
PHOTO_TEXT = "iVBORw0KGgoAAAANSUhEUgAA"
"""A picture as base64 text, cut short."""
PLACEHOLDERS = (
    PHOTO_TEXT,
    SCENE_ID, EMPTY_SCENE_ID, OBJECT_ID,
    JOB_ID, UPLOADED_JOB_ID, COMPATIBLE_JOB_ID, RUNNING_JOB_ID, BATCH_ID, COMPATIBLE_BATCH_ID, ASSET_ID,
    UNUSED_ASSET_ID, MODEL_ASSET_ID, MODEL_ID, LOADABLE_MODEL_ID, MODEL_FOLDER,
)  # fmt: skip
PHOTO = "photo.png"
"""A file part of an example: the test sends a real picture."""
MESH = "bracket.stl"
"""A file part of an example: the test sends a real mesh."""


def example(
    *,
    request: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    response: Any = None,
    status: int | None = None,
) -> Callable[[View], View]:
    """Attach the example of an operation.

    Parameters
    ----------
    request
        Members of the body: JSON, or form fields where `files` is given.
    files
        File parts by name: `{"image": PHOTO}`; `{"": PHOTO}` is a raw body.
    path, query, headers
        Path parameters, query and request headers.
    response
        The answer's JSON; None where the answer is a file or empty.
    status
        The answer's status, if it is not the first documented success.
    """
    given = {
        "request": request, "files": files, "path": path, "query": query, "headers": headers, "response": response,
        "status": status,
    }  # fmt: skip
    kept = {name: deepcopy(value) for name, value in given.items() if value is not None}

    def decorate(view: View) -> View:
        annotate(view, "x-example", kept)
        return view

    return decorate


def annotate(view: Any, name: str, value: Any) -> None:
    """Leave a note for `document.py` on a view, where flask-smorest keeps its own."""
    document = deepcopy(getattr(view, "_apidoc", {}))
    document.setdefault("manual_doc", {})[name] = value
    view._apidoc = document  # noqa: SLF001 - flask-smorest has no other place
