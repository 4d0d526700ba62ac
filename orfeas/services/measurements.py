"""Metrics for Prometheus: what this process counts, and what the rows say at the time of the scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, case, func, select

from orfeas.domain.caller import LOCAL
from orfeas.jobs.jobs import Jobs
from orfeas.services.devices import DeviceState
from orfeas.storage.blobs import FolderStorage
from orfeas.storage.database import Database
from orfeas.storage.tables import counters, jobs, runs, stages

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

RESULTS = {"hits": "hit", "misses": "miss", "joined": "joined"}

disable_created_metrics()  # type: ignore[no-untyped-call]


class Traffic:
    """Requests of this web process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "orfeas_requests", "Answered requests.", ("method", "endpoint", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "orfeas_request_duration_seconds",
            "Seconds until the answer began.",
            ("method", "endpoint"),
            registry=self.registry,
            buckets=REQUEST_BUCKETS_S,
        )
        self._in_progress = Gauge("orfeas_requests_in_progress", "Requests being answered.", registry=self.registry)
        self._errors = Counter(
            "orfeas_errors", "Answers that are problems.", ("error_type", "endpoint"), registry=self.registry
        )

    def began(self) -> None:
        """A request came."""
        self._in_progress.inc()

    def left(self) -> None:
        """A request is over."""
        self._in_progress.dec()

    def answered(self, method: str, endpoint: str, status: int, seconds: float, *, problem: str | None) -> None:
        """A request was answered; `endpoint` is the route's template."""
        method = method if method in KNOWN_METHODS else "OTHER"
        self._requests.labels(method, endpoint, str(status)).inc()
        self._seconds.labels(method, endpoint).observe(seconds)
        if problem is not None:
            self._errors.labels(problem, endpoint).inc()


KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Collected(Collector):
    """Metrics that a function yields."""

    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        """What prometheus-client calls."""
        return self._collect()


def exposition(
    traffic: Traffic, engine: Jobs, blobs: FolderStorage, database: Database, devices: Sequence[DeviceState]
) -> bytes:
    """The whole text."""
    with database.read() as connection:
        found = [*_generations(connection), *_stages(connection), *_cache(connection)]
    found += [*_queue(engine), *_machine(blobs), *_devices(devices)]
    registry = CollectorRegistry()
    registry.register(_Collected(lambda: found))
    return generate_latest(traffic.registry) + generate_latest(registry)


def _generations(connection: Connection) -> Iterator[Metric]:
    ended = CounterMetricFamily(
        "orfeas_generations", "Ended runs that the database knows.", labels=("type", "provider", "status")
    )
    seconds = SummaryMetricFamily(
        "orfeas_generation_duration_seconds", "Seconds from creation to success.", labels=("type", "provider")
    )
    processing = SummaryMetricFamily(
        "orfeas_job_processing_seconds", "Seconds from start to success.", labels=("job_type",)
    )
    running = GaugeMetricFamily("orfeas_generations_in_progress", "Runs at work.")
    queued = GaugeMetricFamily("orfeas_job_queue_size", "Runs that wait.", labels=("type",))
    at_work = 0
    waiting: dict[str, int] = {}
    by_type: dict[str, tuple[int, float]] = {}
    for row in connection.execute(_RUNS):
        if row.state == "running":
            at_work += row.number
        if row.state == "queued":
            waiting[row.type] = waiting.get(row.type, 0) + row.number
        if row.hidden:
            continue  # Conversions are swept, and what has once been counted must not fall.
        if row.state in ("succeeded", "failed", "cancelled"):
            ended.add_metric((row.type, row.engine or "", row.state), row.number)
        if row.state == "succeeded":
            seconds.add_metric((row.type, row.engine or ""), row.worked, row.total_s or 0.0)
            number, total_s = by_type.get(row.type, (0, 0.0))
            by_type[row.type] = (number + row.worked, total_s + (row.work_s or 0.0))
    for kind, (number, total_s) in by_type.items():
        processing.add_metric((kind,), number, total_s)
    for kind, number in waiting.items():
        queued.add_metric((kind,), number)
    running.add_metric((), at_work)
    yield from (ended, seconds, processing, running, queued)


_WORKED = runs.c.cached.is_(False) & runs.c.started_at.is_not(None)
_RUNS = (
    select(
        runs.c.type,
        runs.c.engine,
        runs.c.state,
        jobs.c.hidden,
        func.count().label("number"),
        func.sum(case((_WORKED, 1), else_=0)).label("worked"),
        func.sum(case((_WORKED, runs.c.finished_at - runs.c.created_at))).label("total_s"),
        func.sum(case((_WORKED, runs.c.finished_at - runs.c.started_at))).label("work_s"),
    )
    .join(jobs, jobs.c.id == runs.c.job_id)
    .group_by(runs.c.type, runs.c.engine, runs.c.state, jobs.c.hidden)
)


def _stages(connection: Connection) -> Iterator[Metric]:
    found = SummaryMetricFamily("orfeas_stage_seconds", "Seconds of finished stages.", labels=("stage", "engine"))
    engine = case((stages.c.queue == "gpu", "hunyuan3d"), else_="embedded").label("engine")
    query = (
        select(stages.c.name, engine, func.count().label("number"), func.sum(stages.c.seconds).label("total_s"))
        .where(stages.c.state == "done", stages.c.seconds.is_not(None))
        .group_by(stages.c.name, engine)
    )
    for row in connection.execute(query):
        found.add_metric((row.name, row.engine), row.number, row.total_s)
    yield found
    waited = SummaryMetricFamily(
        "orfeas_stage_queue_seconds", "Seconds from wish to start of finished stages.", labels=("stage",)
    )
    for row in connection.execute(_WAITED):
        waited.add_metric((row.name,), row.number, max(row.total_s, 0.0))
    yield waited


_WAITED = (
    select(
        stages.c.name,
        func.count().label("number"),
        func.sum(stages.c.finished_at - stages.c.wanted_at - stages.c.seconds).label("total_s"),
    )
    .where(stages.c.state == "done", stages.c.seconds.is_not(None), stages.c.wanted_at.is_not(None))
    .group_by(stages.c.name)
)


def _cache(connection: Connection) -> Iterator[Metric]:
    requests = CounterMetricFamily("orfeas_cache_requests", "Lookups by tier.", labels=("tier", "result"))
    for row in connection.execute(select(counters).where(counters.c.name.like("cache.%"))):
        _, tier, result = row.name.split(".", 2)
        if result in RESULTS:
            requests.add_metric((tier, RESULTS[result]), row.value)
    kept = select(func.coalesce(func.sum(stages.c.output_bytes), 0)).where(stages.c.state == "done")
    size = GaugeMetricFamily("orfeas_cache_bytes", "Bytes of kept stage outputs.")
    size.add_metric((), connection.execute(kept).scalar_one())
    yield from (requests, size)


def _queue(engine: Jobs) -> Iterator[Metric]:
    status = engine.queue_status(LOCAL)
    age = GaugeMetricFamily("orfeas_job_queue_age_seconds", "Age of the run that waits longest.")
    age.add_metric((), status.oldest_seconds or 0.0)
    yield age


def _machine(blobs: FolderStorage) -> Iterator[Metric]:
    import psutil

    memory = psutil.virtual_memory()
    for name, meaning, value in (
        ("orfeas_cpu_usage_percent", "Use of all cores since the last scrape.", psutil.cpu_percent()),
        ("orfeas_memory_usage_bytes", "Resident memory of the web process.", psutil.Process().memory_info().rss),
        ("orfeas_memory_usage_percent", "Used memory of the machine.", memory.percent),
        ("orfeas_disk_free_bytes", "Free disk of the data folder.", blobs.free_bytes()),
    ):
        found = GaugeMetricFamily(name, meaning)
        found.add_metric((), value)
        yield found


def _devices(found: Sequence[DeviceState]) -> Iterator[Metric]:
    """Of each device, what its process counted since it started; memory where the device counts it."""
    size = HistogramMetricFamily("orfeas_batch_size", "Items of a denoiser evaluation.", labels=("gpu_id",))
    for device in found:
        counts = {int(items): number for items, number in device.report.get("batches", {}).items()}
        buckets = [(str(float(top)), sum(n for items, n in counts.items() if items <= top)) for top in BATCH_SIZES]
        total = sum(counts.values())
        inferences = float(sum(items * number for items, number in counts.items()))
        size.add_metric((device.device,), [*buckets, ("+Inf", total)], inferences)
    yield size
    for name, meaning, member in _COUNTED:
        counter = CounterMetricFamily(name, meaning, labels=("gpu_id",))
        for device in found:
            if device.report:
                counter.add_metric((device.device,), device.report.get(member, 0))
        yield counter
    for name, meaning, read in _SHOWN:
        gauge = GaugeMetricFamily(name, meaning, labels=("gpu_id",))
        for device in found:
            value = read(device) if device.is_gpu else None
            if value is not None:
                gauge.add_metric((device.device,), value)
        yield gauge


BATCH_SIZES = (1, 2, 4, 8, 16, 32)
_COUNTED = (
    ("orfeas_denoiser_executions", "Evaluations of a denoiser.", "executions"),
    ("orfeas_denoiser_inferences", "Items in them: what one at a time would have cost.", "inferences"),
    ("orfeas_gpu_busy_seconds", "Seconds of work on a device.", "busy_s"),
    ("orfeas_model_loads", "Parts of models brought to a device.", "loads"),
    ("orfeas_model_evictions", "Parts of models that had to go.", "evictions"),
    ("orfeas_gpu_oom_retries", "Work done again because memory was missing.", "oom_retries"),
)
_SHOWN: tuple[tuple[str, str, Callable[[DeviceState], float | None]], ...] = (
    ("orfeas_gpu_memory_bytes", "Memory of a device.", lambda device: device.total),
    ("orfeas_gpu_memory_allocated_bytes", "Allocated memory of a device.", lambda device: device.allocated),
    ("orfeas_gpu_memory_reserved_bytes", "Memory taken by the allocator.", lambda device: device.reserved),
    ("orfeas_gpu_memory_peak_bytes", "The most that was allocated.", lambda device: device.report["memory_peak"]),
    (
        "orfeas_gpu_utilization_ratio",
        "Busy share of the last moment, by the driver.",
        lambda device: device.report["utilisation"],
    ),
)
