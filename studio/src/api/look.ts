/** Cameras, materials and lights. */
import { call } from "./client";
import type { LightPreset, MaterialPreset, SavedView, Vector, View } from "./types";

interface Point {
  x: number;
  y: number;
  z: number;
}
interface Views {
  presets: string[];
  configurations: Record<string, { position: Point; target: Point; fov: number; projection: string }>;
  saved: { preset_id: string; name: string; description: string; position: Point | Vector; target: Point | Vector; fov: number; projection: string }[];
}

const vector = (point: Point | Vector): Vector => (Array.isArray(point) ? point : [point.x, point.y, point.z]);

export async function views(): Promise<{ standard: Record<string, View>; saved: SavedView[] }> {
  const found = await call<Views>("/api/camera/presets");
  const read = <T extends { position: Point | Vector; target: Point | Vector }>(view: T) => ({
    ...view,
    position: vector(view.position),
    target: vector(view.target),
  });
  return {
    standard: Object.fromEntries(Object.entries(found.configurations).map(([name, view]) => [name, read(view)])),
    saved: found.saved.map(read),
  };
}

export interface CameraAnswer {
  camera_threejs: { position: Vector; target: Vector; fov: number; projectionMode: string };
  look_at: { theta: number; phi: number; distance: number };
}

export const placeCamera = (json: View) => call<CameraAnswer>("/api/camera/position", { json });

export const saveView = (json: View & { name: string; description?: string }) =>
  call<{ preset_id: string; preset_name: string }>("/api/camera/preset/save", { json });

export interface CameraPath {
  duration: number;
  path_points: { t: number; position: Vector; target: Vector; up: Vector }[];
}

export const cameraPath = async (type: "turntable" | "orbital", json: Record<string, unknown>) =>
  (await call<{ animation: CameraPath }>(`/api/camera/animation/${type}`, { json })).animation;

export const materials = async () =>
  (await call<{ presets: Record<string, MaterialPreset> }>("/api/materials/presets")).presets;

export const lights = async () => (await call<{ presets: Record<string, LightPreset> }>("/api/lighting/presets")).presets;

export interface MaterialChoice {
  material_type: string;
  custom_properties: Partial<MaterialPreset>;
}

export const materialDocument = (json: MaterialChoice & { lighting_environment: string; save?: boolean }) =>
  call<{ metadata: Record<string, unknown>; download_url?: string }>("/api/materials/metadata", { json });

export const exportMtl = (json: MaterialChoice & { material_name: string }) =>
  call<{ mtl_content: string; output_file: string; download_url: string }>("/api/materials/export-mtl", { json });
