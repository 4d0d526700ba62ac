/** How far a job is: its stages, its share, how long it still takes. */
import { Check, CircleX } from "lucide";
import { cancelJob } from "../../api/jobs";
import type { Job } from "../../api/types";
import { duration, fill, text, word } from "../../texts";
import { Button } from "../../ui/button";
import { useAction } from "../../ui/hooks";
import { Icon } from "../../ui/icon";
import { Notice, ProblemNotice } from "../../ui/parts";

export function stageWords(job: Job): string {
  if (job.state === "queued" && job.queue_position) return job.queue_position > 1 ? fill(text.follow.place, { n: job.queue_position }) : text.follow.next;
  return job.progress.stage ? word(text.stages, job.progress.stage) : text.follow.starting;
}

export function ProgressBar({ job, label }: { job: Job | null; label: string }) {
  const percent = job?.progress.percent ?? null;
  return <progress max={100} value={percent ?? undefined} aria-label={label} />;
}

/** For work beside a model. */
export function ProgressLine({ job, words }: { job: Job | null; words: string }) {
  return (
    <div class="progress-line" role="status">
      <p><span class="spinner" aria-hidden="true" />{job?.progress.stage ? stageWords(job) : words}</p>
      <ProgressBar job={job} label={words} />
    </div>
  );
}

export function Follow({ job, stages }: { job: Job; stages: readonly string[] }) {
  const cancelling = useAction(async () => void (await cancelJob(job.id)));
  const { percent, stage, stage_index: index, stage_count: count, step, steps } = job.progress;
  const done = stages.filter((name) => name !== stage);
  return (
    <section class="follow" aria-label={text.follow.title}>
      <div class="follow-head">
        <p class="follow-percent">{percent ?? 0}<span>%</span></p>
        <div role="status" aria-live="polite">
          <p class="follow-stage">{stageWords(job)}</p>
          <p class="quiet">{[index && count ? fill(text.follow.of, { index, count }) : null, step && steps ? fill(text.follow.step, { step, steps }) : null, job.eta_seconds !== null ? fill(text.follow.left, { time: duration(job.eta_seconds) }) : null].filter(Boolean).join(" · ")}</p>
        </div>
      </div>
      <ProgressBar job={job} label={text.follow.title} />
      {done.length > 0 && (
        <ol class="stage-list">
          {done.map((name) => <li key={name} class="done"><Icon of={Check} size={14} />{word(text.stages, name)}</li>)}
          {stage && <li class="now"><span class="spinner" aria-hidden="true" />{word(text.stages, stage)}</li>}
        </ol>
      )}
      {job.joined_to && job.joined_to !== job.id && <Notice>{text.follow.joined}</Notice>}
      {cancelling.problem !== null && <ProblemNotice cause={cancelling.problem} />}
      <Button icon={CircleX} busy={cancelling.busy} onClick={() => cancelling.run()}>{text.follow.cancel}</Button>
    </section>
  );
}
