"""The table of contents of the API: one blueprint per category."""

from __future__ import annotations

from orfeas.routes import (
    addon,
    agents,
    assets,
    batches,
    cache,
    camera,
    exports,
    generation,
    jobs,
    llm,
    materials,
    meshes,
    models,
    monitoring,
    pages,
    performance,
    scenes,
    stl,
    system,
)

BLUEPRINTS = (
    generation.blp,
    addon.blp,
    jobs.blp,
    batches.blp,
    assets.blp,
    models.blp,
    cache.blp,
    camera.blp,
    materials.blp,
    scenes.blp,
    stl.blp,
    meshes.blp,
    exports.blp,
    llm.blp,
    agents.blp,
    system.blp,
    monitoring.blp,
    performance.blp,
    pages.blp,
)
