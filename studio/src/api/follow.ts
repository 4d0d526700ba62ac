/** Follows one job by Server-Sent Events, over reloads, lost connections and restarts of the server. */
import { noteReachable } from "./client";
import { isFinal, jobOf } from "./jobs";
import type { Job, Progress } from "./types";

export interface Preview {
  kind: "image" | "untextured_mesh" | "thumbnail";
  url: string;
}

export interface Follower {
  onJob(job: Job): void;
  onPreview?(preview: Preview): void;
  /** Each stage when it begins, from the first one on, also after a reload. */
  onStage?(stage: string): void;
  onProblem?(cause: unknown): void;
}

const AGAIN_MS = 1500;

export function follow(first: Job, { onJob, onPreview, onStage, onProblem }: Follower): () => void {
  let job = first;
  let source: EventSource | null = null;
  let timer = 0;
  let stopped = false;

  function show(next: Job): void {
    if (next.sequence < job.sequence) return;
    job = next;
    onJob(job);
  }

  function open(): void {
    // From the first event on, so that previews and stages of before a reload are told again; `show` skips old states.
    source = new EventSource(`/api/v1/jobs/${first.id}/events?last_event_id=0`);
    source.addEventListener("open", () => noteReachable(true));
    source.addEventListener("state", (event) => show(JSON.parse(event.data) as Job));
    source.addEventListener("progress", (event) => {
      const told = JSON.parse(event.data) as Pick<Job, "state" | "sequence" | "eta_seconds" | "queue_position"> & {
        progress: Progress;
      };
      const { state, sequence, progress, eta_seconds, queue_position } = told;
      if (progress.stage) onStage?.(progress.stage);
      show({ ...job, state, sequence, progress, eta_seconds, queue_position });
    });
    source.addEventListener("preview", (event) => onPreview?.(JSON.parse(event.data) as Preview));
    source.addEventListener("warning", (event) => {
      const { message } = JSON.parse(event.data) as { message: string };
      show({ ...job, warnings: [...job.warnings, message] });
    });
    // The stream ends with the run; the job as it is now has the last word.
    source.addEventListener("end", () => void ended());
    source.addEventListener("error", lost);
  }

  function lost(): void {
    if (stopped) return;
    noteReachable(false);
    if (source?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    timer = window.setTimeout(() => void ended(), AGAIN_MS);
  }

  async function ended(): Promise<void> {
    source?.close();
    try {
      const now = await jobOf(first.id);
      if (stopped) return;
      show(now);
      if (!isFinal(now)) open();
    } catch (cause) {
      if (stopped) return;
      const gone = cause instanceof Error && "code" in cause && cause.code === "job_not_found";
      if (gone) onProblem?.(cause);
      else timer = window.setTimeout(() => void ended(), AGAIN_MS);
    }
  }

  if (!isFinal(first)) open();
  return () => {
    stopped = true;
    clearTimeout(timer);
    source?.close();
  };
}

/** The job when it has ended; for work that takes moments. */
export function finished(job: Job, onJob: (job: Job) => void = () => {}): Promise<Job> {
  return new Promise((resolve, reject) => {
    if (isFinal(job)) {
      resolve(job);
      return;
    }
    const stop = follow(job, {
      onJob(now) {
        onJob(now);
        if (!isFinal(now)) return;
        stop();
        void jobOf(job.id).then(resolve, reject);
      },
      onProblem: reject,
    });
  });
}
