"""The table of contents of the API: one blueprint per category."""

from __future__ import annotations

from orfeas.routes import assets, batches, cache, generation, jobs, models, monitoring, pages, system

BLUEPRINTS = (
    generation.blp,
    jobs.blp,
    batches.blp,
    assets.blp,
    models.blp,
    cache.blp,
    system.blp,
    monitoring.blp,
    pages.blp,
)
