/** What the server can do; read once for each visit and kept, as it changes with a restart only. */
import { call } from "./client";
import type { Capabilities, Printer } from "./types";

export interface QualityRow {
  quality: number;
  label: string;
  embedded: { steps: number; octree_resolution: number; target_faces: number };
}

export interface Presets {
  printers: Record<string, Printer>;
  quality: QualityRow[];
  styles: Record<string, string>;
  profiles: Record<string, unknown>;
  vocabulary: Record<string, string[]>;
}

const kept = new Map<string, Promise<unknown>>();

function once<T>(path: string): Promise<T> {
  let found = kept.get(path);
  if (!found) {
    found = call<T>(path);
    kept.set(path, found);
    found.catch(() => kept.delete(path));
  }
  return found as Promise<T>;
}

export const capabilities = () => once<Capabilities>("/api/v1/capabilities");

export const presets = () => once<Presets>("/api/v1/presets");
