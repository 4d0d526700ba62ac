/** How the server is: engines, devices, work, cache, timings. */
import { ExternalLink, Trash2 } from "lucide";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { capabilities } from "../../api/server";
import { advice, cache, clearCache, gpuStats, gpuStatus, health, metrics, modelsInfo, queue, roundTrip, routeTable, summary } from "../../api/system";
import { ago, counted, decimal, duration, fill, percent, size, text, whole, word } from "../../texts";
import { Button } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { useAction, useLoaded } from "../../ui/hooks";
import { Badge, Card, Facts, Meter, Notice, ProblemNotice, Skeleton } from "../../ui/parts";
import { Models } from "./models";
import { Profiles } from "./profiles";

const EVERY_MS = 4000;

export default function System() {
  return (
    <div class="page">
      <header class="page-head">
        <div><h1>{text.views.system.title}</h1><p class="lead">{text.views.system.lead}</p></div>
        <a class="button plain" href="/docs"><Icon of={ExternalLink} /><span>{text.system.docs}</span></a>
      </header>
      <div class="cards columns">
        <Server />
        <Work />
        <Device />
        <Engines />
        <CacheCard />
        <Profiles />
      </div>
      <div class="cards">
        <Timings />
        <Models />
      </div>
    </div>
  );
}

/** A card around something read from the server. */
function Read<T>({ title, read, every = 0, wide, children }: { title: string; read: () => Promise<T>; every?: number; wide?: boolean; children: (value: T, reload: () => void) => ComponentChildren }) {
  const { value, problem, reload } = useLoaded(read, [], every);
  return (
    <Card title={title} wide={wide}>
      {value ? children(value, reload) : problem ? <ProblemNotice cause={problem} onRetry={reload} /> : <Skeleton lines={4} />}
    </Card>
  );
}

function Server() {
  const [ms, setMs] = useState<number | null>(null);
  const timing = useAction(async () => setMs(await roundTrip()));
  return (
    <Read title={text.system.server} every={EVERY_MS} read={async () => ({ now: await health(), counts: await metrics(), table: await routeTable() })}>
      {({ now, counts, table }) => (
        <>
          <Facts rows={[
            [text.system.state, <Badge tone={now.status === "healthy" ? "good" : "bad"}>{word(text.system.states, now.status)}</Badge>],
            [text.system.version, now.version],
            [text.system.up, duration(now.uptime_seconds)],
            [text.system.mode, word(text.system.modes, now.mode)],
            [text.system.memory, size(counts.plain.orfeas_memory_usage_bytes ?? 0)],
            [text.system.processor, `${decimal(counts.plain.orfeas_cpu_usage_percent ?? 0)} %`],
            [text.system.answers, Object.entries(counts.answers).map(([kind, n]) => `${kind} ${whole(n)}`).join(" · ")],
            [text.system.api, fill(text.system.apiValue, { rules: whole(table.total_rules), groups: Object.keys(table.blueprints).length })],
          ]} />
          <p class="row wrap">
            <Button small busy={timing.busy} onClick={() => timing.run()}>{text.system.test}</Button>
            {ms !== null && <span role="status" class="quiet">{fill(text.system.tested, { ms: decimal(ms) })}</span>}
            <a href="/metrics">{text.system.metrics}</a>
          </p>
          {timing.problem !== null && <ProblemNotice cause={timing.problem} />}
        </>
      )}
    </Read>
  );
}

function Work() {
  return (
    <Read title={text.system.work} every={EVERY_MS} read={queue}>
      {(now) => (
        <>
          <Facts rows={[
            [text.system.running, whole(now.running)],
            [text.system.waiting, whole(now.depth)],
            now.oldest_seconds !== null && [text.system.oldest, duration(now.oldest_seconds)],
          ]} />
          <ul class="workers">
            {now.workers.map((worker) => (
              <li key={worker.id}>
                <Badge tone={worker.state === "idle" ? "info" : "live"}>{worker.state}</Badge>
                <span>{fill(text.system.worker, { queue: worker.queue })}{worker.device && ` · ${worker.device}`}</span>
                <span class="quiet">{worker.job_id ? <a href={`#/jobs/${worker.job_id}`}>{text.agents.openJob}</a> : ago(worker.heartbeat_at)}</span>
              </li>
            ))}
          </ul>
          {now.workers.length === 0 && <Notice tone="warn">{text.system.noWorkers}</Notice>}
        </>
      )}
    </Read>
  );
}

function Engines() {
  const names = text.engines as Record<string, { name: string; what: string }>;
  return (
    <Read title={text.system.engines} read={async () => ({ can: await capabilities(), info: await modelsInfo() })}>
      {({ can, info }) => (
        <>
          <ul class="engines">
            {Object.entries(info.engines).map(([name, { available, reason }]) => (
              <li key={name}>
                <p><b>{names[name]?.name ?? name}</b> <Badge tone={available ? "good" : "info"}>{available ? text.system.ready : text.system.absent}</Badge>{can.auto.engine === name && <> <Badge tone="live">{text.system.chosen}</Badge></>}</p>
                <p class="hint">{reason ?? names[name]?.what}</p>
              </li>
            ))}
          </ul>
          <Facts rows={[[text.system.device, info.device], [text.system.loaded, info.models_loaded.join(", ") || text.common.none]]} />
        </>
      )}
    </Read>
  );
}

function Device() {
  return (
    <Read title={text.system.gpu} every={EVERY_MS} read={async () => ({ now: await gpuStatus(), stats: await gpuStats() })}>
      {({ now: { memory, trends, recommendations }, stats }) => stats.gpu.available ? (
        <>
          <Meter label={stats.gpu.name ?? text.system.gpu} value={memory.used_mb} max={memory.total_mb} shown={`${size(memory.used_mb * 1e6)} / ${size(memory.total_mb * 1e6)}`} />
          <Facts rows={[
            [text.system.trend, word(text.system.trends, trends.trend)],
            [text.system.peak, `${decimal(trends.peak_utilization)} %`],
            [text.system.precision, stats.gpu.precision_mode ?? stats.recommended_precision],
            [text.system.batch, whole(stats.optimal_batch_size)],
          ]} />
          {recommendations.map((one) => <Notice key={one}>{one}</Notice>)}
        </>
      ) : <p class="quiet">{text.system.noGpu}</p>}
    </Read>
  );
}

function CacheCard() {
  const [said, setSaid] = useState<string | null>(null);
  const clearing = useAction(async (tier: string, reload: () => void) => {
    const { cleared, freed_bytes: freed } = await clearCache(tier);
    setSaid(`${counted(text.system.cleared, cleared)} ${fill(text.system.freed, { bytes: size(freed) })}`);
    reload();
  });
  return (
    <Read title={text.system.cache} read={cache}>
      {({ tiers, storage }, reload) => (
        <div class="stack">
          {(["stages", "latents"] as const).map((name) => tiers[name] && (
            <div key={name} class="tier">
              <Meter label={text.system.tiers[name]} value={tiers[name].bytes ?? 0} max={tiers[name].max_bytes ?? 1} shown={`${size(tiers[name].bytes ?? 0)} / ${size(tiers[name].max_bytes ?? 0)}`} />
              <div class="row wrap"><span class="hint">{counted(text.system.items, tiers[name].items)} · {tiers[name].hit_rate === null ? text.common.unmeasured : fill(text.system.hitRate, { rate: percent(tiers[name].hit_rate) })}</span><Button small kind="quiet" icon={Trash2} busy={clearing.busy} onClick={() => clearing.run(name, reload)}>{text.system.clear}</Button></div>
            </div>
          ))}
          <Facts rows={[[text.system.files, size(storage.file_bytes)], [text.system.free, size(storage.disk_free_bytes)]]} />
          {said && <Notice tone="good" live>{said}</Notice>}
          {clearing.problem !== null && <ProblemNotice cause={clearing.problem} />}
        </div>
      )}
    </Read>
  );
}

function Timings() {
  return (
    <Read title={text.system.timings} wide read={async () => ({ found: await summary(), said: await advice() })}>
      {({ found, said }) => {
        if (!found.total_pipelines) return <p class="quiet">{text.system.noRuns}</p>;
        const stages = Object.entries(found.stage_breakdown).sort(([, one], [, other]) => other.avg_duration - one.avg_duration).slice(0, 10);
        const longest = stages[0]?.[1].avg_duration ?? 1;
        return (
          <div class="stack">
            <Facts rows={[[text.system.runs, whole(found.total_pipelines)], [text.system.mean, duration(found.avg_duration)], [text.system.range, `${duration(found.min_duration)} – ${duration(found.max_duration)}`]]} />
            <div class="bars">{stages.map(([stage, { avg_duration: seconds }]) => <Meter key={stage} label={word(text.stages, stage)} value={seconds} max={longest} shown={fill(text.time.seconds, { n: seconds.toFixed(2) })} tone={found.bottlenecks.some((one) => one.stage === stage) ? "warn" : undefined} />)}</div>
            {said.recommendations.map((one) => <Notice key={one}>{one}</Notice>)}
          </div>
        );
      }}
    </Read>
  );
}
