"""Measures that agents decide by: pictures as inputs, results beside their inputs."""

from __future__ import annotations

from orfeas.domain.specs import MeasureImage, MeasureOverlap
from orfeas.geometry.assembly import Model, as_mesh
from orfeas.geometry.overlap import silhouette_overlap
from orfeas.geometry.picture_measures import measure_picture
from orfeas.geometry.subject import Subject
from orfeas.imaging import load_rgba
from orfeas.stages.registry import Progress, Result, implements


@implements(MeasureImage)
def measure_image(picture: bytes, spec: MeasureImage, on_progress: Progress) -> Result:
    """What a stored picture is good for."""
    return Result(None, {"picture": measure_picture(load_rgba(picture))})


@implements(MeasureOverlap)
def measure_overlap(found: Subject, model: Model, spec: MeasureOverlap, on_progress: Progress) -> Result:
    """How far a model from the front has the subject's outline; null where the picture shows no subject."""
    overlap = silhouette_overlap(found.alpha, as_mesh(model)) if found.found else None
    return Result(None, {"silhouette_iou": None if overlap is None else round(overlap, 5)})
