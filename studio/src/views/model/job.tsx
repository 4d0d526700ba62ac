/** One job from its beginning to its files; the address is all it needs, so a reload changes nothing. */
import { ArrowLeft } from "lucide";
import { useEffect, useState } from "preact/hooks";
import { makeModelOf } from "../../api/generation";
import { follow } from "../../api/follow";
import type { Preview } from "../../api/follow";
import { isFinal, jobOf, recordOf } from "../../api/jobs";
import { assetOf } from "../../api/meshes";
import { presets } from "../../api/server";
import type { Job, JobAsset, JobRecord } from "../../api/types";
import { go } from "../../router";
import type { Route } from "../../router";
import { text, word } from "../../texts";
import { Button } from "../../ui/button";
import { Select, Slider } from "../../ui/fields";
import { Icon } from "../../ui/icon";
import { useAction, useLoaded } from "../../ui/hooks";
import { Facts, ProblemNotice, Skeleton, StateBadge } from "../../ui/parts";
import { Trace } from "../assistant/trace";
import { useName } from "../library/name";
import { AsCode } from "./export-panel";
import { DetailsPanel, JobActions } from "./details-panel";
import { Follow } from "./progress";
import { PLAIN, Stage } from "./stage";
import type { Look } from "./stage";
import { Workbench } from "./workbench";

export default function JobView({ route }: { route: Route }) {
  const id = route.id ?? "";
  const [job, setJob] = useState<Job | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const [previews, setPreviews] = useState<Preview[]>([]);
  const [stages, setStages] = useState<string[]>([]);
  const [turn, setTurn] = useState(0);

  useEffect(() => {
    let stop = () => {};
    const left = new AbortController();
    let timer = 0;
    async function start(): Promise<void> {
      try {
        const found = await jobOf(id, left.signal);
        setProblem(null);
        setJob(found);
        if (found.state === "pending") return;
        stop = follow(found, {
          onJob: setJob,
          onPreview: (preview) => setPreviews((seen) => [...seen.filter(({ kind }) => kind !== preview.kind), preview]),
          onStage: (stage) => setStages((seen) => (seen.includes(stage) ? seen : [...seen, stage])),
          onProblem: setProblem,
        });
      } catch (cause) {
        if (left.signal.aborted) return;
        setProblem(cause);
        if (cause instanceof Error && "code" in cause && cause.code === "unreachable") timer = window.setTimeout(() => void start(), 2000);
      }
    }
    void start();
    return () => {
      left.abort();
      clearTimeout(timer);
      stop();
    };
  }, [id, turn]);

  if (problem && !job) return <div class="page narrow"><h1>{text.views.jobs.title}</h1><ProblemNotice cause={problem} onRetry={() => setTurn(turn + 1)} /></div>;
  if (!job) return <div class="page"><Skeleton lines={6} /></div>;
  if (!isFinal(job)) return job.state === "pending" ? <PendingJob job={job} onStarted={() => setTurn(turn + 1)} /> : <RunningJob job={job} previews={previews} stages={stages} />;
  return <FinishedJob job={job} onAgain={() => { setJob(null); setTurn(turn + 1); }} />;
}

export function Title({ job }: { job: Job }) {
  return (
    <>
      <a class="back" href="#/library"><Icon of={ArrowLeft} size={16} />{text.views.library.title}</a>
      <h1>{useName(job)}</h1>
    </>
  );
}

const pictureOf = (job: Job): string | null => {
  const image = (job.request as { image?: { asset_id?: string } } | null)?.image?.asset_id;
  return image ? `/api/v1/assets/${image}/preview` : null;
};

function RunningJob({ job, previews, stages }: { job: Job; previews: Preview[]; stages: string[] }) {
  const [look, setLook] = useState<Look>(PLAIN);
  const mesh = previews.find(({ kind }) => kind === "untextured_mesh")?.url ?? null;
  const picture = previews.find(({ kind }) => kind !== "untextured_mesh")?.url ?? pictureOf(job);
  return (
    <div class="workbench">
      <Stage url={mesh} look={look} onLook={(some) => setLook({ ...look, ...some })} poster={picture}>
        {mesh && <p class="stage-note">{text.follow.untextured}</p>}
      </Stage>
      <aside class="side" aria-label={text.follow.title}>
        <header class="side-head"><Title job={job} /></header>
        <Follow job={job} stages={stages} />
        {job.type === "agent" && <Trace job={job} />}
      </aside>
    </div>
  );
}

const modelOf = (assets: JobAsset[]): JobAsset | undefined =>
  assets.find(({ role, format }) => role === "model" && format === "glb") ?? assets.find(({ role }) => role === "model" || role === "rejected");

function FinishedJob({ job, onAgain }: { job: Job; onAgain: () => void }) {
  const assets = job.result?.assets ?? [];
  const model = modelOf(assets);
  const before = (job.request as { input?: { asset_id?: string } } | null)?.input?.asset_id;
  const comparable = ["repair", "simplify", "hollow"].includes(job.type ?? "");
  const origin = useLoaded(async () => (comparable && before ? await assetOf(before) : null), [job.id]);
  const poster = assets.find(({ role, format }) => role === "preview" && format === "png")?.url ?? null;
  if (model && job.state === "succeeded" && job.type !== "text_to_image") {
    if (comparable && before && !origin.value && origin.problem === null) return <div class="page"><Skeleton lines={6} /></div>;
    return (
      <>
        <Workbench
          key={job.id}
          title={<Title job={job} />}
          source={{ asset_id: model.asset_id, format: model.format, up_axis: model.up_axis }}
          job={job}
          before={origin.value ? { asset_id: origin.value.id, format: origin.value.format } : null}
          poster={poster}
        />
        {job.type === "agent" && <div class="page"><Trace job={job} /></div>}
      </>
    );
  }
  if (job.state === "succeeded" && assets.some(({ media_type }) => media_type.startsWith("image/"))) return <PictureJob job={job} onAgain={onAgain} />;
  return (
    <div class="page narrow">
      <header class="page-head"><Title job={job} /></header>
      <div class="stack">
        <StateBadge state={job.state} />
        {job.error && <ProblemNotice cause={job.error} />}
        {job.type === "agent" && <Trace job={job} />}
        {job.state === "cancelled" && <p class="quiet">{text.follow.cancelled}</p>}
        {pictureOf(job) && <img class="input-picture" src={pictureOf(job)!} alt={text.follow.input} />}
        <Outcome job={job} />
        <JobActions job={job} />
        <AsCode job={job} />
      </div>
    </div>
  );
}

/** What jobs without a file tell. */
function Outcome({ job }: { job: Job }) {
  const asset = (job.request as { input?: { asset_id?: string } } | null)?.input?.asset_id;
  if (job.type === "analyze" && asset) return <p><a href={`#/check/${asset}`}>{text.follow.openCheck}</a></p>;
  return job.result?.answer ? <Facts rows={Object.entries(job.result.answer).map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : String(value)] as const)} /> : null;
}

/** A picture that was drawn: a model is made of the same job. */
function PictureJob({ job, onAgain }: { job: Job; onAgain: () => void }) {
  const asset = job.result!.assets.find(({ media_type }) => media_type.startsWith("image/"))!;
  const record = useLoaded((signal) => recordOf(job.id, signal), [job.id]);
  const url = record.value?.image_url ?? asset.url;
  return (
    <div class="page">
      <header class="page-head"><Title job={job} /></header>
      <div class="picture-job">
        <img class="drawn" src={url} alt={useName(job)} />
        <div class="stack">
          {job.type === "text_to_image" && <MakeModel job={job} onStarted={onAgain} />}
          <p><a href={asset.url} download={asset.filename}>{text.follow.savePicture}</a></p>
          <DetailsPanel job={job} />
          <AsCode job={job} />
        </div>
      </div>
    </div>
  );
}

/** A picture that was kept, of which nothing has been made yet. */
function PendingJob({ job, onStarted }: { job: Job; onStarted: () => void }) {
  const record = useLoaded((signal) => recordOf(job.id, signal), [job.id]);
  return (
    <div class="page">
      <header class="page-head"><Title job={job} /></header>
      <div class="picture-job">
        {record.value?.preview_url ? <img class="drawn" src={record.value.preview_url} alt={text.follow.input} /> : <Skeleton lines={6} />}
        <div class="stack"><MakeModel job={job} onStarted={onStarted} /></div>
      </div>
    </div>
  );
}

function MakeModel({ job, onStarted }: { job: Job; onStarted: () => void }) {
  const { value: known } = useLoaded(presets, []);
  const [quality, setQuality] = useState(7);
  const [profile, setProfile] = useState("standard");
  const making = useAction(async () => {
    const record: JobRecord = await makeModelOf({ job_id: job.id, quality, format: "glb", profile });
    if (record.job_id === job.id) onStarted();
    else go(`#/jobs/${record.job_id}`);
  });
  const label = known?.quality.find((row) => row.quality === quality)?.label ?? "";
  return (
    <section class="card" aria-label={text.follow.makeTitle}>
      <h2>{text.follow.makeTitle}</h2>
      <p class="quiet">{text.follow.makeText}</p>
      <Slider label={text.create.quality} min={1} max={10} value={quality} shown={`${quality} · ${label}`} onChange={setQuality} />
      <Select label={text.create.profile} hint={text.create.profileHint} value={profile} choices={Object.keys(known?.profiles ?? { standard: null }).map((name) => [name, word(text.profiles, name)])} onChange={setProfile} />
      {making.problem !== null && <ProblemNotice cause={making.problem} />}
      <Button kind="primary" busy={making.busy} onClick={() => making.run()}>{text.create.make}</Button>
    </section>
  );
}
