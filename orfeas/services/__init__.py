"""Services: one class per category, wired once."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from orfeas.config import Config
from orfeas.jobs.events import Holders, Notifier
from orfeas.jobs.jobs import JobLimits, Jobs
from orfeas.jobs.wakeups import LocalWakeups
from orfeas.storage.blobs import FolderStorage, Storage
from orfeas.storage.database import Database, migrate


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a view may call."""

    config: Config
    database: Database
    blobs: Storage
    jobs_engine: Jobs
    notifier: Notifier
    holders: Holders
    generation: Any
    batches: Any
    jobs: Any
    assets: Any
    cache: Any
    system: Any
    monitoring: Any


def build_services(config: Config) -> Services:
    """Call every constructor, innermost first. The tables are made or brought up to date."""
    config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(config.database_url)
    migrate(database, config.data_dir)
    blobs = FolderStorage(config.data_dir, config.disk_reserve_mb * 1_000_000)
    limits = JobLimits(queue_max=config.queue_max, timeout_s=float(config.job_timeout_s))
    engine = Jobs(database, blobs, LocalWakeups(config.data_dir), limits)
    notifier, holders = Notifier(database), Holders()

    def make(module: str, name: str, *arguments: Any) -> Any:
        try:
            return getattr(import_module(f"orfeas.services.{module}"), name)(*arguments)
        except ModuleNotFoundError:
            return None

    assets = make("assets", "AssetService", config, database, blobs)
    generation = make("generation", "GenerationService", config, engine, assets, notifier)
    return Services(
        config=config,
        database=database,
        blobs=blobs,
        jobs_engine=engine,
        notifier=notifier,
        holders=holders,
        assets=assets,
        generation=generation,
        batches=make("batches", "BatchService", config, database, engine, generation),
        jobs=make("jobs", "JobService", config, engine, generation, assets, blobs),
        cache=make("cache", "CacheService", config, engine, blobs),
        system=make("system", "SystemService", config, engine),
        monitoring=make("monitoring", "MonitoringService", config, engine, blobs),
    )
