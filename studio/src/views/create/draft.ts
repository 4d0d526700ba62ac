/** What is filled in on Create, and what is asked of the server for it. */
import type { Wish } from "../../api/generation";
import type { Job } from "../../api/types";

export interface Draft {
  way: "images" | "words";
  prompt: string;
  pictureFirst: boolean;
  style: string;
  engine: string;
  profile: string;
  quality: number;
  mode: string;
  longest: number | undefined;
  width: number | undefined;
  height: number | undefined;
  depth: number | undefined;
  fit: string;
  background: string;
  texture: string;
  material: string;
  faces: number | undefined;
  grid: number | undefined;
  seed: number | undefined;
  closed: boolean;
  fresh: boolean;
  upAxis: string;
  formats: string[];
  tags: string;
}

export const BLANK: Draft = {
  way: "images", prompt: "", pictureFirst: false, style: "realistic", engine: "auto", profile: "standard", quality: 7, mode: "auto",
  longest: undefined, width: undefined, height: undefined, depth: undefined, fit: "inside", background: "auto", texture: "auto",
  material: "ceramic", faces: undefined, grid: undefined, seed: undefined, closed: false, fresh: false, upAxis: "y", formats: ["glb"], tags: "",
};

export function tagsOf(words: string): string[] {
  return [...new Set(words.split(",").map((tag) => tag.trim()).filter(Boolean))];
}

function box(draft: Draft): Wish["dimensions_mm"] {
  const { width, height, depth, longest } = draft;
  if (width && height && depth) return { width, height, depth };
  return longest ? { width: longest, height: longest, depth: longest } : undefined;
}

/** The request; members that say nothing else than the default are left out, so that it is short to read. */
export function wishOf(draft: Draft, assetId: string | null): Wish {
  const wish: Wish = draft.way === "words" ? { prompt: draft.prompt.trim() } : { image: { asset_id: assetId ?? "" } };
  wish.quality = draft.quality;
  if (draft.engine !== "auto") wish.engine = draft.engine;
  if (draft.profile !== "standard") wish.profile = draft.profile;
  if (draft.way === "images" && draft.mode !== "auto") wish.mode = draft.mode;
  if (draft.way === "images" && draft.background !== "auto") wish.remove_background = draft.background;
  const dimensions = box(draft);
  if (dimensions) wish.dimensions_mm = dimensions;
  if (dimensions && draft.fit !== "inside") wish.fit = draft.fit;
  if (draft.texture !== "auto") wish.texture = draft.texture === "material" ? { mode: "material", material: draft.material } : { mode: draft.texture };
  if (draft.faces) wish.target_faces = draft.faces;
  if (draft.grid) wish.octree_resolution = draft.grid;
  if (draft.seed !== undefined) wish.seed = draft.seed;
  if (draft.closed) wish.require = { watertight: true };
  if (draft.upAxis !== "y") wish.up_axis = draft.upAxis;
  if (draft.formats.join() !== "glb") wish.formats = draft.formats;
  if (draft.fresh) wish.use_cache = false;
  const tags = tagsOf(draft.tags);
  if (tags.length) wish.tags = tags;
  return wish;
}

/** The same as fields of a form, for a batch of files on the compatible surface, which knows no tags or conditions. */
export function batchOptions(draft: Draft): Record<string, string> {
  const wish = wishOf({ ...draft, way: "images" }, "");
  const given: Record<string, unknown> = {
    quality: wish.quality, engine: wish.engine, mode: wish.mode, remove_background: wish.remove_background,
    texture: wish.texture?.mode, material: wish.texture?.material, target_faces: wish.target_faces, fit: wish.fit,
    octree_resolution: wish.octree_resolution, seed: wish.seed, up_axis: wish.up_axis, use_cache: wish.use_cache,
    format_type: draft.formats[0], ...wish.dimensions_mm,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined).map(([name, value]) => [name, String(value)]));
}

/** A draft with what a job was asked, to be run again with changes. */
export function draftOf(job: Job): Draft {
  const asked = (job.request ?? {}) as Wish & { mode?: string };
  const { width, height, depth } = asked.dimensions_mm ?? {};
  const cube = width !== undefined && width === height && height === depth;
  return {
    ...BLANK,
    way: asked.prompt ? "words" : "images",
    prompt: asked.prompt ?? "",
    engine: asked.engine ?? "auto",
    profile: asked.profile ?? "standard",
    quality: asked.quality ?? 7,
    mode: asked.mode ?? "auto",
    ...(cube ? { longest: width } : { width, height, depth }),
    fit: asked.fit ?? "inside",
    background: asked.remove_background ?? "auto",
    texture: asked.texture?.mode ?? "auto",
    material: asked.texture?.material ?? "ceramic",
    faces: asked.target_faces ?? undefined,
    grid: asked.octree_resolution ?? undefined,
    seed: typeof asked.seed === "number" && asked.seed !== 0 ? asked.seed : undefined,
    closed: asked.require?.watertight === true,
    upAxis: asked.up_axis ?? "y",
    formats: asked.formats ?? ["glb"],
    tags: (asked.tags ?? []).join(", "),
  };
}
