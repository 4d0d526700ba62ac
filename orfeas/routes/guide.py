"""The guide for programs that read text (llmstxt.org): what this server does, and every operation in a line."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

INTRODUCTION = """# orfeas

> Self-hosted server that turns pictures and sentences into 3D models and looks after meshes: it analyses, repairs,
> simplifies, orients, hollows, converts, renders and composes them. Lengths are millimetres, y is up.

How to use it:

- Long work is a job. Creating one on `/api/v1` answers 202 with the job and its `Location`; `?wait=60` answers with the
  finished job. `GET /api/v1/jobs/{job_id}/result` is the file.
- A picture to a model: `curl -F image=@photo.png 'SERVER/api/v1/generations?wait=60'`.
- A sentence to a model: `POST /api/v1/generations` with `{"prompt": "a red mug on a wooden table"}`.
- A mesh to a closed mesh: `curl -F input=@part.stl 'SERVER/api/v1/meshes/repair?wait=60'`.
- An input is exactly one of `asset_id`, `job_id`, `url`, `data` (data URI) and a file part.
- Unknown members are refused on `/api/v1` (422 with pointers) and named in `warnings` elsewhere.
- Every error is application/problem+json with a stable `code`; `detail` says what to do, `/problems/{slug}` more.
- The same request again is answered from what was made before, at once.

## Documents

- [OpenAPI 3.1](/openapi.json): every operation with its schemas and an example
- [API browser](/docs)
- [Capabilities](/api/v1/capabilities): engines, models, formats and limits of this server
- [Presets](/api/v1/presets): cameras, materials, lighting, printers, qualities, styles, vocabulary
"""


def guide(document: dict[str, Any]) -> str:
    """The guide to an OpenAPI document."""
    sections: defaultdict[str, list[str]] = defaultdict(list)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict) and "operationId" in operation:
                summary = operation.get("summary", "").rstrip(".")
                sections[operation["tags"][0]].append(f"- `{method.upper()} {path}`: {summary}")
    told = [f"## {name.capitalize()}\n\n" + "\n".join(lines) for name, lines in sorted(sections.items())]
    return "\n\n".join([INTRODUCTION.rstrip(), *told]) + "\n"
