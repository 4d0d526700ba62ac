/** What the server answers, as far as the studio reads it. */
import type { ProblemBody } from "./client";

export type State = "pending" | "queued" | "running" | "succeeded" | "failed" | "cancelled";
export type Vector = [number, number, number];

export interface Progress {
  percent: number | null;
  stage: string | null;
  stage_index: number | null;
  stage_count: number | null;
  step: number | null;
  steps: number | null;
}

export interface JobAsset {
  asset_id: string;
  role: string;
  format: string;
  filename: string;
  media_type: string;
  size_bytes: number;
  up_axis: "y" | "z" | null;
  url: string;
}

export interface Measures {
  face_count: number;
  vertex_count: number;
  body_count: number;
  is_watertight: boolean;
  is_manifold: boolean;
  volume_mm3: number | null;
  extents_mm: Vector;
  quality_score?: number | null;
}

export interface AnalysisProblem {
  code: string;
  count: number | null;
  detail: string;
  points: Vector[];
}

export interface Analysis {
  is_watertight: boolean;
  is_manifold: boolean;
  vertex_count: number;
  face_count: number;
  body_count: number;
  holes_count: number;
  self_intersections: number;
  volume: number | null;
  surface_area: number;
  bounding_box: { min: Vector; max: Vector; size: Vector };
  wall_thickness: { min_mm: number | null; p5_mm: number | null; median_mm: number | null; thin_share: number | null };
  overhang_area: number;
  overhang_share: number;
  quality_score: number;
  printability_score: number;
  printability: { status: "error" | "warning" | "healthy"; problems: AnalysisProblem[] };
  recommended_actions: (string | { action?: string; detail?: string })[];
}

export interface TraceStep {
  step: number | string;
  agent_id: string;
  action: string;
  started_at: string | null;
  seconds: number | null;
  decision: unknown;
  reason: string | null;
  measured: unknown;
  job_id: string | null;
}

export interface Result {
  engine: string | null;
  model: string | null;
  method: string | null;
  profile: string | null;
  seed: number | null;
  settings: Record<string, unknown>;
  assets: JobAsset[];
  measures: Record<string, Measures> & Partial<Analysis>;
  checks: { name: string; wanted: unknown; measured: unknown; ok: boolean; format: string }[];
  timings: Record<string, number>;
  degraded: { message?: string }[];
  licence: { name: string; url: string | null; terms?: string } | null;
  unrecognized_words: string[];
  before?: Analysis;
  after?: Analysis;
  operations?: { operation?: string; name?: string; count?: number; [member: string]: unknown }[];
  initial_faces?: number;
  final_faces?: number;
  volume_change?: number | null;
  max_deviation_mm?: number;
  thinnest_wall_mm?: number | null;
  volumes?: Record<string, number>;
  report?: Record<string, unknown>;
  trace?: TraceStep[];
  attempts?: Record<string, unknown>[];
  goal?: Record<string, { wanted: unknown; measured: unknown; ok: boolean | null }> | string;
  best?: string | null;
  answer?: Record<string, unknown>;
}

export interface Job {
  id: string;
  type: string | null;
  state: State;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  run_seconds: number | null;
  batch_id: string | null;
  tags: string[];
  request: Record<string, unknown> | null;
  cached: boolean;
  joined_to: string | null;
  progress: Progress;
  queue_position: number | null;
  eta_seconds: number | null;
  sequence: number;
  result: Result | null;
  error: ProblemBody | null;
  warnings: string[];
  retried_from: string | null;
  derived_from: string | null;
  links: { self: string; events: string; cancel: string; result: string; manifest: string };
}

/** The compatible surface's record of a job. */
export interface JobRecord {
  job_id: string;
  status: string;
  state: State;
  progress: number;
  filename?: string;
  prompt?: string;
  preview_url?: string;
  image_url?: string;
  download_url?: string;
  output_file?: string;
  model_preview_url?: string;
  quality_metrics?: { overall_score: number; quality_grade: string; printable: boolean };
}

export interface Asset {
  id: string;
  kind: string;
  format: string;
  media_type: string;
  size_bytes: number;
  filename: string;
  created_at: string;
  up_axis: "y" | "z" | null;
  mesh: { faces: number; vertices: number; extents_mm: Vector } | null;
  links: { self: string; content: string; preview: string };
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export interface Batch {
  id: string;
  jobs: { index: number; job_id: string | null; error: ProblemBody | null }[];
  counts: Record<string, number>;
}

export interface Manifest {
  engine: string | null;
  software: { orfeas: string; python: string };
  inputs: { sha256: string }[];
  operations: { stage: string; version: number; seconds: number | null; fingerprint: string }[];
  outputs: Record<string, unknown>[];
}

export interface Estimate {
  fits: boolean;
  engine: string;
  model: string | null;
  settings: Record<string, number | null>;
  seconds: number | null;
  queue_wait_seconds: number | null;
  vram_mb: number | null;
  disk_bytes: number | null;
  basis: "measured" | "scaled" | "none";
  cached: boolean;
  alternatives: { change: Record<string, unknown>; seconds: number | null; fits: boolean }[];
}

export interface Availability {
  available: boolean;
  reason: string | null;
}

export interface FormatInfo extends Availability {
  format: string;
  media_type: string;
  read: boolean;
  write: boolean;
  colors: boolean;
  textures: boolean;
  units: string;
}

export interface Capabilities {
  version: string;
  engines: Record<string, Availability>;
  auto: { engine: string; model: string | null; reason: string | null };
  devices: { device: string; queues: string[]; workers: number }[];
  formats: FormatInfo[];
  features: Record<string, Availability>;
  limits: Record<string, number | [number, number] | null>;
  llm: { configured: boolean; model: string | null };
}

export interface Printer {
  technology: string;
  volume_mm: Vector;
  layer_mm: number;
  min_wall_mm: number;
  overhang_deg: number;
  supports: boolean;
  default: boolean;
}

export interface MaterialPreset {
  base_color: Vector;
  metalness: number;
  roughness: number;
  reflectivity: number;
  opacity: number;
  emissive_color?: Vector;
  emissive_intensity: number;
  normal_scale: number;
}

export interface LightPreset {
  ambient_intensity: number;
  main_light_intensity: number;
  main_light_position: Vector;
  main_light_color: Vector;
  fill_light_intensity: number;
  fill_light_position: Vector;
  back_light_intensity: number;
  back_light_position: Vector;
  background_color: Vector;
  shadow_intensity: number;
}

export interface View {
  position: Vector;
  target: Vector;
  fov: number;
  projection: string;
  up?: Vector;
}

export interface SavedView extends View {
  preset_id: string;
  name: string;
  description: string;
}
