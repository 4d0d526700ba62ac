import { call, create } from "./client";
import type { Batch, Job, JobRecord, Manifest, Page } from "./types";

export const FINAL: readonly string[] = ["succeeded", "failed", "cancelled"];

export const isFinal = (job: { state: string }): boolean => FINAL.includes(job.state);

export const jobOf = (id: string, signal?: AbortSignal) => call<Job>(`/api/v1/jobs/${id}`, { signal });

export const recordOf = (id: string, signal?: AbortSignal) => call<JobRecord>(`/api/job-status/${id}`, { signal });

export const manifestOf = (id: string) => call<Manifest>(`/api/v1/jobs/${id}/manifest`);

export const cancelJob = (id: string) => call<Job>(`/api/v1/jobs/${id}/cancel`, { method: "POST" });

export const deleteJob = (id: string) => call<void>(`/api/v1/jobs/${id}`, { method: "DELETE" });

export const retryJob = (id: string) => create<Job>(`/api/v1/jobs/${id}/retry`, {});

export const deriveJob = (id: string, json: Record<string, unknown>) =>
  create<Job>(`/api/v1/jobs/${id}/derive`, { json });

export interface Filter {
  state?: string;
  type?: string;
  tag?: string;
  batch?: string;
  cursor?: string;
  limit?: number;
}

export function listJobs(filter: Filter = {}, signal?: AbortSignal): Promise<Page<Job>> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) if (value) query.set(name, String(value));
  return call<Page<Job>>(`/api/v1/jobs?${query}`, { signal });
}

export const batchOf = (id: string) => call<Batch>(`/api/v1/batches/${id}`);

export const cancelBatch = (id: string) => call<Batch>(`/api/v1/batches/${id}/cancel`, { method: "POST" });
