/** Everything that was made here: to be found again, run again or thrown away. */
import { Images, ImagePlus, Trash2 } from "lucide";
import { useEffect, useRef, useState } from "preact/hooks";
import { keepPicture } from "../../api/generation";
import { deleteJob, isFinal, listJobs } from "../../api/jobs";
import { call } from "../../api/client";
import { pictureNames } from "../../api/meshes";
import type { Job } from "../../api/types";
import { go } from "../../router";
import type { Route } from "../../router";
import { counted, fill, size, text, word } from "../../texts";
import { Button } from "../../ui/button";
import { Select, TextField } from "../../ui/fields";
import { useAction, useLoaded, useSettled } from "../../ui/hooks";
import { Confirm, Empty, Meter, ProblemNotice } from "../../ui/parts";
import { JobCard } from "./card";
import { useName } from "./name";

const PAGE = 60;
const EVERY_MS = 4000;
const TYPES = ["generation", "text_to_image", "repair", "simplify", "optimize", "orient", "hollow", "convert", "texture", "analyze", "render", "turntable", "agent"];

interface CacheState {
  storage: { file_bytes: number; max_bytes: number | null; disk_free_bytes: number };
  tiers: Record<string, { bytes: number | null }>;
}

export default function Library({ route }: { route: Route }) {
  const [words, setWords] = useState("");
  const [type, setType] = useState("generation");
  const tag = route.query.get("tag") ?? "";
  const asked = useSettled(words.trim().toLowerCase(), 200);
  const [older, setOlder] = useState<Job[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [choosing, setChoosing] = useState(false);
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [asking, setAsking] = useState(false);
  const filter = { limit: PAGE, type: type === "all" ? "" : type, tag };
  const first = useLoaded((signal) => listJobs(filter, signal), [type, tag], EVERY_MS);
  useEffect(() => {
    setOlder([]);
    setCursor(null);
  }, [type, tag]);
  const next = older.length ? cursor : (first.value?.next_cursor ?? null);

  const further = useAction(async () => {
    const page = await listJobs({ ...filter, cursor: next ?? undefined });
    setOlder((now) => [...now, ...page.items]);
    setCursor(page.next_cursor);
  });
  const removal = useAction(async () => {
    for (const id of picked) await deleteJob(id);
    setOlder((now) => now.filter(({ id }) => !picked.has(id)));
    setPicked(new Set());
    setChoosing(false);
    first.reload();
  });
  const keeping = useAction(async (file: File) => go(`#/jobs/${(await keepPicture(file)).job_id}`));
  const file = useRef<HTMLInputElement>(null);
  const names = useLoaded(pictureNames, []);

  const all = [...(first.value?.items ?? []), ...older];
  const seen = new Set<string>();
  const found = all.filter((job) => !seen.has(job.id) && seen.add(job.id) && matches(job, asked, names.value));
  const tags = [...new Set(all.flatMap((job) => job.tags))].sort();

  return (
    <div class="page">
      <header class="page-head">
        <div><h1>{text.views.library.title}</h1><p class="lead">{text.views.library.lead}</p></div>
        <div class="row wrap">
          <Button icon={ImagePlus} busy={keeping.busy} onClick={() => file.current?.click()}>{text.library.keepPicture}</Button>
          <input ref={file} id="keep" hidden type="file" accept="image/*" onChange={(event) => { const [picture] = event.currentTarget.files ?? []; if (picture) keeping.run(picture); event.currentTarget.value = ""; }} />
          {all.length > 0 && <Button kind="quiet" onClick={() => { setChoosing(!choosing); setPicked(new Set()); }}>{choosing ? text.library.done : text.library.choose}</Button>}
        </div>
      </header>
      <div class="filters" role="search">
        <TextField label={text.library.search} type="search" value={words} placeholder={text.library.searchExample} onChange={setWords} />
        <Select label={text.library.type} value={type} choices={[["all", text.library.all], ...TYPES.map((one) => [one, word(text.types, one)] as const)]} onChange={setType} />
        <Select label={text.library.tag} value={tag} choices={[["", text.library.anyTag], ...[...new Set([...tags, ...(tag ? [tag] : [])])].map((one) => [one, one] as const)]} onChange={(one) => go(one ? `#/library?tag=${encodeURIComponent(one)}` : "#/library")} />
        <Storage />
      </div>
      {choosing && (
        <div class="choosing" role="status">
          <span>{counted(text.library.picked, picked.size)}</span>
          <Button kind="danger" small icon={Trash2} disabled={picked.size === 0} busy={removal.busy} onClick={() => setAsking(true)}>{text.library.delete}</Button>
        </div>
      )}
      {asking && <Confirm title={text.library.deleteTitle} yes={text.library.delete} onNo={() => setAsking(false)} onYes={() => { setAsking(false); removal.run(); }}>{counted(text.library.deleteText, picked.size)}</Confirm>}
      {[first.problem, removal.problem, keeping.problem, further.problem].map((problem, index) => problem !== null && <ProblemNotice key={index} cause={problem} onRetry={index === 0 ? first.reload : undefined} />)}
      {!first.value && first.problem === null && <ul class="grid">{Array.from({ length: 8 }, (_, index) => <li key={index} class="card-skeleton" />)}</ul>}
      {first.value && found.length === 0 && (all.length === 0 && !tag && type === "generation"
        ? <Empty icon={Images} title={text.library.empty} action={<a class="button primary" href="#/">{text.library.first}</a>}>{text.library.emptyText}</Empty>
        : <Empty icon={Images} title={text.library.none}>{text.library.noneText}</Empty>)}
      <ul class="grid" aria-label={text.views.library.title}>
        {found.map((job) => choosing ? <Pick key={job.id} job={job} picked={picked.has(job.id)} onPick={() => setPicked(toggled(picked, job.id))} /> : <JobCard key={job.id} job={job} />)}
      </ul>
      {next && <div class="row centre"><Button busy={further.busy} onClick={() => further.run()}>{text.library.more}</Button></div>}
    </div>
  );
}

function matches(job: Job, words: string, names: Map<string, string> | null): boolean {
  if (!words) return true;
  const picture = (job.request as { image?: { asset_id?: string } } | null)?.image?.asset_id;
  const known = `${JSON.stringify(job.request ?? {})} ${names?.get(picture ?? "") ?? ""} ${job.tags.join(" ")} ${word(text.types, job.type ?? "pending")} ${job.state} ${job.id}`.toLowerCase();
  return words.split(/\s+/).every((one) => known.includes(one));
}

function toggled(set: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(id)) next.add(id);
  return next;
}

/** Jobs at work are not thrown away. */
function Pick({ job, picked, onPick }: { job: Job; picked: boolean; onPick: () => void }) {
  const name = useName(job);
  return (
    <li class={`pick${picked ? " picked" : ""}`}>
      <label>
        <input type="checkbox" checked={picked} disabled={!isFinal(job)} onChange={onPick} />
        <span class="hidden">{fill(text.library.pick, { name })}</span>
      </label>
      <ul class="bare"><JobCard job={job} /></ul>
    </li>
  );
}

function Storage() {
  const { value } = useLoaded((signal) => call<CacheState>("/api/v1/cache", { signal }), []);
  if (!value) return <div class="storage" />;
  const kept = Object.values(value.tiers).reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);
  const { file_bytes: used, max_bytes: most, disk_free_bytes: free } = value.storage;
  return (
    <div class="storage">
      <Meter label={text.library.storage} value={used + kept} max={most ?? used + kept + free} shown={fill(text.library.used, { used: size(used), kept: size(kept), free: size(free) })} />
    </div>
  );
}
