/** What a model is and how it came about; what was made anew for it and what was there. */
import { GitBranch, RotateCcw, Trash2 } from "lucide";
import { useState } from "preact/hooks";
import { deleteJob, manifestOf, recordOf, retryJob } from "../../api/jobs";
import type { Job } from "../../api/types";
import { go } from "../../router";
import { counted, duration, fill, millimetres, moment, text, whole, word } from "../../texts";
import { Button } from "../../ui/button";
import { useAction, useLoaded } from "../../ui/hooks";
import { Badge, Confirm, Facts, More, Notice, ProblemNotice, StateBadge } from "../../ui/parts";

export function DetailsPanel({ job }: { job: Job }) {
  const { result } = job;
  const record = useLoaded((signal) => recordOf(job.id, signal), [job.id, job.state]);
  const measures = Object.values(result?.measures ?? {}).find((one): one is NonNullable<Job["result"]>["measures"][string] => typeof one === "object" && one !== null && "face_count" in one);
  const engines = text.engines as Record<string, { name: string }>;
  const quality = record.value?.quality_metrics;
  const asked = job.request as { quality?: number; prompt?: string } | null;
  return (
    <div class="panel">
      <section aria-label={text.details.title}>
        <div class="row wrap">
          <StateBadge state={job.state} />
          {measures?.is_watertight && <Badge tone="good">{text.details.watertight}</Badge>}
          {quality && <Badge tone={quality.printable ? "good" : "warn"}>{fill(text.details.grade, { grade: quality.quality_grade })}</Badge>}
          {job.tags.map((tag) => <a key={tag} class="badge tag" href={`#/library?tag=${encodeURIComponent(tag)}`}>{tag}</a>)}
        </div>
        <Facts rows={[
          asked?.prompt ? [text.details.prompt, asked.prompt] : null,
          measures && [text.details.size, millimetres(measures.extents_mm)],
          measures && [text.details.faces, whole(measures.face_count)],
          result?.initial_faces !== undefined && [text.details.facesBefore, whole(result.initial_faces)],
          result?.max_deviation_mm !== undefined && [text.details.deviation, fill(text.details.mm, { n: result.max_deviation_mm.toFixed(3) })],
          result?.thinnest_wall_mm != null && [text.details.thinnest, fill(text.details.mm, { n: result.thinnest_wall_mm.toFixed(2) })],
          result?.engine && [text.details.engine, engines[result.engine]?.name ?? result.engine],
          result?.method && [text.details.method, word(text.methods, result.method)],
          asked?.quality && [text.details.quality, whole(asked.quality)],
          [text.details.made, moment(job.created_at)],
          [text.details.took, job.cached ? text.details.cached : job.run_seconds === null ? "–" : duration(job.run_seconds)],
          result?.licence && [text.details.licence, result.licence.url ? <a href={result.licence.url} target="_blank" rel="noreferrer">{result.licence.name}</a> : result.licence.name],
        ]} />
      </section>
      {job.warnings.map((warning) => <Notice key={warning} tone="warn">{warning}</Notice>)}
      {(result?.unrecognized_words?.length ?? 0) > 0 && <Notice tone="warn">{fill(text.details.leftOut, { words: result!.unrecognized_words.join(", ") })}</Notice>}
      {result?.checks.filter(({ ok }) => !ok).map((check) => <Notice key={`${check.name}${check.format}`} tone="bad">{fill(text.details.check, { name: word(text.checks, check.name), wanted: String(check.wanted), measured: String(check.measured) })}</Notice>)}
      {job.state === "succeeded" && result && Object.keys(result.timings).length + Number(job.cached) > 0 && <Stages job={job} />}
      <JobActions job={job} />
    </div>
  );
}

/** Every stage of the recipe: those that ran for this job with their time, the others were there already. */
function Stages({ job }: { job: Job }) {
  const { value } = useLoaded(() => manifestOf(job.id), [job.id]);
  if (!value) return null;
  const ran = job.cached ? {} : job.result!.timings;
  const reused = value.operations.filter(({ stage }) => !(stage in ran));
  return (
    <More title={reused.length ? counted(text.details.reused, reused.length) : counted(text.details.stages, value.operations.length)} open={reused.length > 0 && !job.cached}>
      <ol class="recipe">
        {value.operations.map(({ stage, fingerprint, seconds }) => (
          <li key={fingerprint} class={stage in ran ? "ran" : "kept"}>
            <span>{word(text.stages, stage)}</span>
            <span class="quiet">{stage in ran ? fill(text.time.seconds, { n: (seconds ?? ran[stage]!).toFixed(2) }) : text.details.kept}</span>
          </li>
        ))}
      </ol>
    </More>
  );
}

export function JobActions({ job }: { job: Job }) {
  const [asking, setAsking] = useState(false);
  const retry = useAction(async () => go(`#/jobs/${(await retryJob(job.id)).id}`));
  const removal = useAction(async () => {
    await deleteJob(job.id);
    go("#/library");
  });
  const repeatable = job.type === "generation";
  return (
    <div role="group" aria-label={text.details.actions} class="row wrap">
      {job.state !== "succeeded" && <Button kind="primary" icon={RotateCcw} busy={retry.busy} onClick={() => retry.run()}>{text.details.retry}</Button>}
      {repeatable && <Button icon={GitBranch} onClick={() => go(`#/create?again=${job.id}`)}>{text.details.again}</Button>}
      <Button kind="quiet" icon={Trash2} onClick={() => setAsking(true)}>{text.details.delete}</Button>
      {asking && <Confirm title={text.details.deleteTitle} yes={text.details.delete} onNo={() => setAsking(false)} onYes={() => { setAsking(false); removal.run(); }}>{text.details.deleteText}</Confirm>}
      {(retry.problem ?? removal.problem) ? <ProblemNotice cause={retry.problem ?? removal.problem} /> : null}
    </div>
  );
}
