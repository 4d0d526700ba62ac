/** Work on meshes. STL files go to the operations for STL, which keep to that format; all others keep theirs. */
import { call, create } from "./client";
import { finished } from "./follow";
import { jobOf } from "./jobs";
import type { Analysis, Asset, Job } from "./types";

export interface MeshSource {
  asset_id: string;
  format: string;
}

export type Tool = "analyze" | "repair" | "simplify" | "optimize" | "orient" | "hollow" | "convert" | "texture";

const OF_STL: readonly Tool[] = ["analyze", "repair", "simplify", "optimize"];
/** The compatible surface has another name for this member. */
const STL_NAMES: Record<string, string> = { wall_mm: "wall_thickness_mm" };

export async function rework(
  tool: Tool,
  source: MeshSource,
  options: Record<string, unknown>,
  onJob: (job: Job) => void = () => {},
): Promise<Job> {
  const job = source.format === "stl" && OF_STL.includes(tool) ? await startStl(tool, source, options) : await start(tool, source, options);
  onJob(job);
  return finished(job, onJob);
}

const start = (tool: Tool, { asset_id }: MeshSource, options: Record<string, unknown>) =>
  create<Job>(`/api/v1/meshes/${tool}`, { json: { input: { asset_id }, ...options } });

async function startStl(tool: Tool, { asset_id }: MeshSource, options: Record<string, unknown>): Promise<Job> {
  const renamed = Object.entries(options).map(([name, value]) => [STL_NAMES[name] ?? name, value]);
  const json = { file: asset_id, ...Object.fromEntries(renamed) };
  const { job_id } = await call<{ job_id: string }>(`/api/stl/${tool}`, { json, headers: { Prefer: "wait=0" } });
  return jobOf(job_id);
}

export const analysisOf = (job: Job): Analysis | null =>
  job.result && "printability" in job.result.measures ? (job.result.measures as unknown as Analysis) : null;

let names: Promise<Map<string, string>> | null = null;

/** What pictures were called when they were uploaded: the last few hundred are read at once, others when they are met. */
export function pictureNames(): Promise<Map<string, string>> {
  names ??= call<{ items: Asset[] }>("/api/v1/assets?kind=image&limit=200").then(({ items }) => new Map(items.map(({ id, filename }) => [id, filename])));
  names.catch(() => (names = null));
  return names;
}

export async function pictureName(id: string): Promise<string> {
  const known = await pictureNames();
  if (!known.has(id)) known.set(id, (await assetOf(id)).filename);
  return known.get(id)!;
}

export const assetOf = (id: string) => call<Asset>(`/api/v1/assets/${id}`);
