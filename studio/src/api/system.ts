/** How the server is. */
import { call, create, send } from "./client";
import type { Availability, Job } from "./types";

export interface Health {
  status: string;
  version: string;
  mode: string;
  active_jobs: number;
  queued_jobs: number;
  models_status: string;
  uptime_seconds: number;
}

export interface Queue {
  depth: number;
  running: number;
  oldest_seconds: number | null;
  by_type: Record<string, number>;
  workers: { id: string; queue: string; device: string | null; state: string; job_id: string | null; heartbeat_at: string }[];
}

export interface ModelsInfo {
  device: string;
  mode: string;
  models_loaded: string[];
  engines: Record<string, Availability>;
}

export interface GpuStatus {
  memory: { total_mb: number; used_mb: number; free_mb: number; utilization_percent: number };
  trends: { trend: string; avg_utilization: number; peak_utilization: number };
  recommendations: string[];
}

export interface GpuStats {
  gpu: { available: boolean; name: string | null; total_vram_gb: number; allocated_gb: number; precision_mode: string | null };
  queue_depth: number;
  recommended_precision: string;
  optimal_batch_size: number;
}

export interface Tier {
  enabled: boolean;
  items: number;
  bytes: number | null;
  max_bytes: number | null;
  hits: number;
  misses: number;
  hit_rate: number | null;
}

export interface Cache {
  tiers: Record<string, Tier>;
  storage: { file_bytes: number; max_bytes: number | null; disk_free_bytes: number };
}

export interface Summary {
  total_pipelines: number;
  avg_duration: number;
  min_duration: number;
  max_duration: number;
  stage_breakdown: Record<string, { avg_duration: number; count: number }>;
  bottlenecks: { stage: string; avg_percent: number; severity: string }[];
}

export interface ProfileStatus {
  enabled: boolean;
  status: { optimization_level: string };
  performance_metrics: { speed_multiplier: number | null; cache_hit_rate: number | null; success_rate: number | null };
  unavailable: { setting: string; reason: string }[];
}

export interface ProfileConfig {
  configuration: { optimization_profile: string; enabled_engines: string[]; quantum_protocols: boolean; auto_optimization: boolean; performance_monitoring: boolean };
  available_profiles: string[];
}

export interface ModelEntry {
  id: string;
  task: string;
  variant: string | null;
  repo: string;
  state: string;
  size_bytes: number | null;
  vram_mb: { value: number | null; basis: string | null };
  licence: { name: string; url: string; commercial: boolean; user_cap: number | null; excluded_territories: string[]; acknowledged: unknown } | null;
  capabilities: { component: string };
}

export const health = () => call<Health>("/api/health");
export const queue = () => call<Queue>("/api/v1/queue");
export const modelsInfo = () => call<ModelsInfo>("/api/models-info");
export const gpuStatus = () => call<GpuStatus>("/api/gpu/status");
export const gpuStats = () => call<GpuStats>("/api/v1/gpu/stats");
export const cache = () => call<Cache>("/api/v1/cache");
export const clearCache = (tier: string) => call<{ cleared: number; freed_bytes: number }>("/api/v1/cache/clear", { json: { tier } });
export const summary = () => call<Summary>("/api/performance/summary");
export const advice = () => call<{ recommendations: string[] }>("/api/performance/recommendations");
export const profileStatus = () => call<ProfileStatus>("/api/ultra-performance/status");
export const profileConfig = () => call<ProfileConfig>("/api/ultra-performance/config");
export const configure = (json: Record<string, unknown>) => call<{ message: string; warnings?: string[] }>("/api/ultra-performance/config", { json });
export const enableProfile = (optimization_level: string) => call<{ message: string }>("/api/ultra-performance/enable", { json: { optimization_level } });
export const disableProfile = () => call<{ message: string }>("/api/ultra-performance/disable", { json: {} });
export const modelCatalogue = async () => (await call<{ items: ModelEntry[] }>("/api/v1/models")).items;
export const pullModel = (id: string) => create<Job>(`/api/v1/models/${id}/pull`, {});
export const verifyModel = (id: string) => create<Job>(`/api/v1/models/${id}/verify`, {});
export const removeModel = (id: string) => call<void>(`/api/v1/models/${id}`, { method: "DELETE" });
export const acknowledge = (id: string, by: string, purpose: string) => call<unknown>(`/api/v1/models/${id}/acknowledge`, { json: { accepted: true, by, purpose } });
export const command = (id: string, name: "load" | "unload") => create<unknown>(`/api/v1/models/${id}/${name}`, {});

/** Milliseconds there and back of the smallest answer. */
export async function roundTrip(): Promise<number> {
  const start = performance.now();
  await call<{ test: string }>("/test-simple");
  return performance.now() - start;
}

export const routeTable = () => call<{ blueprints: Record<string, unknown>; total_rules: number }>("/debug/flask-blueprints");

/** The last value of each metric without labels, and how many answers there were of each kind. */
export async function metrics(): Promise<{ plain: Record<string, number>; answers: Record<string, number> }> {
  const lines = (await (await send("/metrics")).text()).split("\n");
  const plain: Record<string, number> = {};
  const answers: Record<string, number> = {};
  for (const line of lines) {
    const [, name, labels, value] = /^(\w+)(?:\{(.*)\})? ([-+.\deE]+)$/.exec(line) ?? [];
    if (!name || value === undefined) continue;
    if (labels === undefined) plain[name] = Number(value);
    const status = name === "orfeas_requests_total" && /status="(\d)/.exec(labels ?? "")?.[1];
    if (status) answers[`${status}xx`] = (answers[`${status}xx`] ?? 0) + Number(value);
  }
  return { plain, answers };
}
