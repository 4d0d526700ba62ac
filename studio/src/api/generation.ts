import { call, create } from "./client";
import type { Asset, Estimate, Job, JobRecord } from "./types";

/** What the form of Create asks for; undefined members are left to the server. */
export interface Wish {
  image?: { asset_id: string };
  prompt?: string;
  engine?: string;
  profile?: string;
  quality?: number;
  mode?: string;
  formats?: string[];
  dimensions_mm?: { width: number; height: number; depth: number };
  fit?: string;
  up_axis?: string;
  remove_background?: string;
  texture?: { mode: string; material?: string };
  target_faces?: number;
  octree_resolution?: number;
  steps?: number;
  seed?: number | "random";
  require?: Record<string, unknown>;
  tags?: string[];
  allow_degrade?: boolean;
  use_cache?: boolean;
}

export function upload(file: File, signal?: AbortSignal): Promise<Asset> {
  const form = new FormData();
  form.set("file", file, file.name);
  return call<Asset>("/api/v1/uploads", { form, signal });
}

export const generate = (wish: Wish) => create<Job>("/api/v1/generations", { json: wish });

export const estimate = (wish: Wish, signal?: AbortSignal) =>
  call<Estimate>("/api/v1/generations/estimate", { json: wish, signal });

/** Keeps a picture in a job of its own, of which a model can be made later. */
export function keepPicture(file: File): Promise<{ job_id: string; asset_id: string; preview_url: string }> {
  const form = new FormData();
  form.set("image", file, file.name);
  return call("/api/upload-image", { form });
}

export interface PictureWish {
  prompt: string;
  style: string;
  width?: number;
  height?: number;
  seed?: number;
  negative_prompt?: string;
}

/** Makes a picture of a sentence; the model is made of the same job. */
export const drawPicture = (json: PictureWish) => call<JobRecord>("/api/text-to-image", { json });

export interface FurtherRun {
  job_id: string;
  quality: number;
  format: string;
  profile?: string;
}

/** A model of the picture of a job: a further run of it, under a profile where one is named. */
export const makeModelOf = ({ profile, ...json }: FurtherRun) =>
  profile && profile !== "standard"
    ? call<JobRecord>("/api/ultra-generate-3d", { json: { ...json, profile } })
    : call<JobRecord>("/api/generate-3d", { json });

export interface BatchStarted {
  batch_id: string;
  job_ids: (string | null)[];
  accepted: number;
  rejected: { index: number; filename: string; error: string }[];
}

export function generateBatch(files: File[], options: Record<string, string>): Promise<BatchStarted> {
  const form = new FormData();
  for (const file of files) form.append("files", file, file.name);
  for (const [name, value] of Object.entries(options)) form.set(name, value);
  return call<BatchStarted>("/api/batch-generate", { form });
}
