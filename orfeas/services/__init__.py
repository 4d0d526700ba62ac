"""Services: one class per category, wired once."""

from __future__ import annotations

from dataclasses import dataclass

from orfeas.config import MEGABYTE, Config
from orfeas.jobs.events import Holders, Notifier
from orfeas.jobs.jobs import JobLimits, Jobs
from orfeas.jobs.wakeups import LocalWakeups
from orfeas.llm import LanguageModel, Settings
from orfeas.services.addon import AddonService
from orfeas.services.agents import AgentService
from orfeas.services.assets import AssetService
from orfeas.services.batches import BatchService
from orfeas.services.cache import CacheService
from orfeas.services.camera import CameraService
from orfeas.services.client_errors import ClientErrorService
from orfeas.services.devices import DeviceService
from orfeas.services.engines import EngineService
from orfeas.services.exports import ExportService
from orfeas.services.folder_models import BackgroundModels
from orfeas.services.generation import GenerationService
from orfeas.services.idempotency import IdempotencyService
from orfeas.services.jobs import JobService
from orfeas.services.llm import LlmService
from orfeas.services.materials import MaterialService
from orfeas.services.meshes import MeshService
from orfeas.services.models import ModelService
from orfeas.services.models.commands import ModelCommands
from orfeas.services.monitoring import MonitoringService
from orfeas.services.performance import PerformanceService
from orfeas.services.scenes import SceneService
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
    addon: AddonService
    batches: BatchService
    jobs: JobService
    assets: AssetService
    exports: ExportService
    meshes: MeshService
    camera: CameraService
    scenes: SceneService
    client_errors: ClientErrorService
    materials: MaterialService
    llm: LlmService
    agents: AgentService
    models: ModelService
    model_commands: ModelCommands
    performance: PerformanceService
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
    devices = DeviceService(database)
    models = ModelService(config, database, engine, on_devices=devices.loaded)
    engines = EngineService(config, database, models)
    commands = ModelCommands(engine, models, engines, devices)
    backgrounds = BackgroundModels(config, engines.device)
    meshes = MeshService(config, engine, assets, backgrounds)
    performance = PerformanceService(config, database, engine, engines)
    generation = GenerationService(config, engine, assets, engines, meshes, performance, backgrounds)
    materials = MaterialService(engine)
    cameras = CameraService(database)
    scenes = SceneService(database, engine, assets, meshes, cameras)
    llm = LlmService(LanguageModel(Settings.of(config)), engine)
    agents = AgentService(config, database, engine, assets, generation, meshes, llm, performance)
    retries = {
        **dict.fromkeys(models.JOB_TYPES, models.retry),
        **dict.fromkeys(commands.JOB_TYPES, commands.retry),
        materials.JOB_TYPE: materials.retry,
        scenes.JOB_TYPE: scenes.retry,
        **dict.fromkeys(meshes.JOB_TYPES, meshes.retry),
        **dict.fromkeys(generation.pictures.JOB_TYPES, generation.pictures.retry),
        agents.JOB_TYPE: agents.runs.retry,
        **dict.fromkeys((llm.ANALYSIS, llm.ORCHESTRATION), llm.retry),
    }
    return Services(
        config=config,
        database=database,
        blobs=blobs,
        jobs_engine=engine,
        notifier=notifier,
        holders=holders,
        assets=assets,
        exports=ExportService(config),
        meshes=meshes,
        camera=cameras,
        scenes=scenes,
        client_errors=ClientErrorService(),
        materials=materials,
        llm=llm,
        agents=agents,
        generation=generation,
        addon=AddonService(generation, meshes, assets),
        batches=BatchService(config, database, engine, generation),
        jobs=JobService(config, database, engine, generation, assets, retries),
        models=models,
        model_commands=commands,
        performance=performance,
        engines=engines,
        cache=CacheService(config, database, blobs),
        system=SystemService(config, engine, models, engines),
        monitoring=MonitoringService(config, engine, blobs, database, engines, devices, generation.pictures.models),
        idempotency=IdempotencyService(database),
    )
