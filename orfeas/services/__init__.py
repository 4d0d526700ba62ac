"""Services: one class per category, wired once."""

from __future__ import annotations

from dataclasses import dataclass

from orfeas.config import MEGABYTE, Config
from orfeas.jobs.events import Holders, Notifier
from orfeas.jobs.jobs import JobLimits, Jobs
from orfeas.jobs.wakeups import LocalWakeups
from orfeas.services.assets import AssetService
from orfeas.services.batches import BatchService
from orfeas.services.cache import CacheService
from orfeas.services.engines import EngineService
from orfeas.services.generation import GenerationService
from orfeas.services.idempotency import IdempotencyService
from orfeas.services.jobs import JobService
from orfeas.services.models import ModelService
from orfeas.services.monitoring import MonitoringService
from orfeas.services.system import SystemService
from orfeas.storage.blobs import FolderStorage
from orfeas.storage.database import Database, migrate


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a view may call."""

    config: Config
    database: Database
    blobs: FolderStorage
    jobs_engine: Jobs
    notifier: Notifier
    holders: Holders
    generation: GenerationService
    batches: BatchService
    jobs: JobService
    assets: AssetService
    models: ModelService
    engines: EngineService
    cache: CacheService
    system: SystemService
    monitoring: MonitoringService
    idempotency: IdempotencyService


def build_services(config: Config) -> Services:
    """Call every constructor, innermost first. The tables are made or brought up to date."""
    config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(config.database_url)
    migrate(database, config.data_dir)
    blobs = FolderStorage(config.data_dir, config.disk_reserve_mb * 1_000_000)
    limits = JobLimits(
        queue_max=config.queue_max,
        timeout_s=float(config.job_timeout_s),
        cache=config.cache,
        storage_bytes=config.storage_max_mb * MEGABYTE or None,
    )
    engine = Jobs(database, blobs, LocalWakeups(config.data_dir), limits)
    notifier, holders = Notifier(database), Holders()

    assets = AssetService(config, database, blobs)
    models = ModelService(config, database, engine)
    engines = EngineService(config, database, models)
    generation = GenerationService(config, engine, assets, notifier, engines)
    return Services(
        config=config,
        database=database,
        blobs=blobs,
        jobs_engine=engine,
        notifier=notifier,
        holders=holders,
        assets=assets,
        generation=generation,
        batches=BatchService(config, database, engine, generation),
        jobs=JobService(config, database, engine, generation, assets, models),
        models=models,
        engines=engines,
        cache=CacheService(config, database, blobs),
        system=SystemService(config, engine, models, engines),
        monitoring=MonitoringService(config, engine, blobs, database, engines),
        idempotency=IdempotencyService(database),
    )
