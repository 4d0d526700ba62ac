/** Several pictures on their way together. */
import { CircleX } from "lucide";
import { batchOf, cancelBatch, isFinal, jobOf } from "../api/jobs";
import type { Job } from "../api/types";
import type { Route } from "../router";
import { counted, fill, text } from "../texts";
import { Button } from "../ui/button";
import { useAction, useLoaded } from "../ui/hooks";
import { Notice, ProblemNotice, Skeleton } from "../ui/parts";
import { JobCard } from "./library/card";

const EVERY_MS = 1000;

export default function BatchView({ route }: { route: Route }) {
  const id = route.id ?? "";
  const batch = useLoaded(() => batchOf(id), [id], EVERY_MS);
  const ids = batch.value?.jobs.flatMap(({ job_id }) => (job_id ? [job_id] : [])) ?? [];
  const jobs = useLoaded((signal) => Promise.all(ids.map((one) => jobOf(one, signal))), [ids.join()], EVERY_MS);
  const cancelling = useAction(async () => {
    await cancelBatch(id);
    batch.reload();
  });
  if (batch.problem && !batch.value) return <div class="page narrow"><h1>{text.views.batch.title}</h1><ProblemNotice cause={batch.problem} onRetry={batch.reload} /></div>;
  const found: Job[] = jobs.value ?? [];
  const ended = found.filter(isFinal).length;
  const percent = found.length ? Math.round(found.reduce((sum, job) => sum + (isFinal(job) ? 100 : (job.progress.percent ?? 0)), 0) / found.length) : 0;
  return (
    <div class="page">
      <header class="page-head">
        <div><h1>{text.views.batch.title}</h1><p class="lead" role="status">{fill(text.batch.ended, { ended, all: ids.length })}</p></div>
        {ended < found.length && <Button icon={CircleX} busy={cancelling.busy} onClick={() => cancelling.run()}>{text.batch.cancel}</Button>}
      </header>
      <progress max={100} value={percent} aria-label={text.batch.progress} />
      {cancelling.problem !== null && <ProblemNotice cause={cancelling.problem} />}
      <Refused id={id} />
      {found.length === 0 ? <Skeleton lines={4} /> : <ul class="grid">{found.map((job) => <JobCard key={job.id} job={job} />)}</ul>}
    </div>
  );
}

/** Files that were refused; the server tells them once, when the batch is made. */
function Refused({ id }: { id: string }) {
  const kept = sessionStorage.getItem(`batch ${id}`);
  const refused = kept ? (JSON.parse(kept) as { filename: string; error: string }[]) : [];
  if (!refused.length) return null;
  return (
    <Notice tone="warn" title={counted(text.batch.refused, refused.length)}>
      <ul>{refused.map(({ filename, error }) => <li key={filename}><b>{filename}</b> {error}</li>)}</ul>
    </Notice>
  );
}
