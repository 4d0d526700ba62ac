"""Shapes of the embedded engine: solids of sentences, height fields of pictures and their closed surfaces."""

from __future__ import annotations

from orfeas.domain.prompt import Scene
from orfeas.domain.specs import Inflate, Parametric, Relief, Surface
from orfeas.errors import EmptySurfaceError
from orfeas.geometry import inflate as inflation
from orfeas.geometry import parametric
from orfeas.geometry import relief as plates
from orfeas.geometry import surface as surfaces
from orfeas.geometry.field import HeightField
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.subject import Subject
from orfeas.stages.registry import Progress, Result, implements

RELIEF_INSTEAD = "No subject could be told apart from the background, so a relief of the whole picture was made."
WHOLE_FRAME = "No subject could be told apart from the background, so the whole frame was inflated."


@implements(Inflate)
def inflate(found: Subject, spec: Inflate, on_progress: Progress) -> Result:
    """The rounded solid of a silhouette; `auto` makes a relief where there is none."""
    if found.found:
        return Result(inflation.inflate(found, on_progress), {"method": "silhouette-inflation"})
    if spec.mode == "auto":
        return Result(plates.relief(found), {"method": "relief", "warnings": [RELIEF_INSTEAD]})
    return Result(inflation.inflate(found, on_progress), {"method": "silhouette-inflation", "warnings": [WHOLE_FRAME]})


@implements(Relief)
def relief(found: Subject, spec: Relief, on_progress: Progress) -> Result:
    """A plate that follows the picture by its height or, as a lithophane, by its thickness."""
    field = plates.lithophane(found) if spec.mode == "lithophane" else plates.relief(found)
    return Result(field, {"method": spec.mode})


@implements(Parametric)
def model(*, spec: Parametric, on_progress: Progress) -> Result:
    """The solids of a described scene."""
    made = parametric.build(
        Scene.read(spec.scene), seed=spec.seed, segments=spec.resolution, joined=spec.joined, on_progress=on_progress
    )
    faces = sum(len(part.mesh.faces) for part in made.parts)
    return Result(made, {"method": "parametric", "parts": len(made.parts), "faces": faces})


@implements(Surface)
def surface(field: HeightField, spec: Surface, on_progress: Progress) -> Result:
    """The closed surface of a height field."""
    mesh: Mesh = surfaces.surface(
        field,
        octree_resolution=spec.octree_resolution,
        steps=spec.steps,
        mc_level=spec.mc_level,
        on_progress=on_progress,
    )
    if len(mesh.faces) == 0:
        raise EmptySurfaceError("There is no surface in the volume; use a lower mc_level or a finer grid.")
    return Result(mesh, {"faces": len(mesh.faces), "vertices": len(mesh.vertices)})
