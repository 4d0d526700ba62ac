/** What a printer minds, as colours of faces: overhangs and thin walls. */
import { BufferAttribute, DoubleSide, MeshNormalMaterial, MeshStandardMaterial, Ray, Vector3 } from "three";
import type { BufferGeometry, Material, Matrix4 } from "three";
import { MeshBVH } from "three-mesh-bvh";
import type { Part } from "./model";

export type Mode = "own" | "wireframe" | "normals" | "overhang" | "thin";

export interface Limits {
  overhangDeg: number;
  minWallMm: number;
}

type Rgb = [number, number, number];
export const FINE: Rgb = [0.72, 0.76, 0.74];
export const NEAR: Rgb = [0.95, 0.6, 0.15];
export const BAD: Rgb = [0.86, 0.2, 0.13];
const CHUNK = 4000;
/** A face lies on the bed when it is this close to it, in mm. */
const BED_MM = 0.05;

export const normals = (): Material => new MeshNormalMaterial();

export const coloured = (): Material => new MeshStandardMaterial({ vertexColors: true, roughness: 0.85, metalness: 0 });

/** The geometry with a colour for each face, in the place where the part stands. */
function unshared(part: Part): { geometry: BufferGeometry; colours: Float32Array } {
  const geometry = part.plain.index ? part.plain.toNonIndexed() : part.plain.clone();
  for (const name of Object.keys(geometry.attributes)) if (name !== "position") geometry.deleteAttribute(name);
  geometry.computeVertexNormals();
  const colours = new Float32Array(geometry.getAttribute("position").count * 3);
  geometry.setAttribute("color", new BufferAttribute(colours, 3));
  return { geometry, colours };
}

function paint(colours: Float32Array, face: number, colour: Rgb): void {
  for (let corner = 0; corner < 3; corner += 1) colours.set(colour, face * 9 + corner * 3);
}

interface Faces {
  count: number;
  read(face: number): { corners: [Vector3, Vector3, Vector3]; normal: Vector3 };
}

function faces(geometry: BufferGeometry, world: Matrix4): Faces {
  const positions = geometry.getAttribute("position");
  const corners: [Vector3, Vector3, Vector3] = [new Vector3(), new Vector3(), new Vector3()];
  const [edge, other, normal] = [new Vector3(), new Vector3(), new Vector3()];
  return {
    count: positions.count / 3,
    read(face) {
      corners.forEach((corner, index) => corner.fromBufferAttribute(positions, face * 3 + index).applyMatrix4(world));
      normal.crossVectors(edge.subVectors(corners[1], corners[0]), other.subVectors(corners[2], corners[0])).normalize();
      return { corners, normal };
    },
  };
}

/** Faces that lean out further than the printer bridges; those on the bed are held by it. */
export function overhangs(part: Part, { overhangDeg }: Limits): { geometry: BufferGeometry; area: number } {
  const { geometry, colours } = unshared(part);
  const { count, read } = faces(geometry, part.mesh.matrixWorld);
  const steep = Math.sin((overhangDeg * Math.PI) / 180);
  const near = Math.sin((Math.max(0, overhangDeg - 10) * Math.PI) / 180);
  const side = new Vector3();
  let area = 0;
  for (let face = 0; face < count; face += 1) {
    const { corners, normal } = read(face);
    const lies = corners.every(({ y }) => y < BED_MM);
    const down = lies ? -1 : -normal.y;
    if (down > steep) area += side.subVectors(corners[1], corners[0]).cross(corners[2].clone().sub(corners[0])).length() / 2;
    paint(colours, face, down > steep ? BAD : down > near ? NEAR : FINE);
  }
  return { geometry, area };
}

const breath = () => new Promise((resolve) => setTimeout(resolve));

/** How thick the solid is behind each face, by a ray straight inwards; in pieces, so that the page stays awake. */
export async function thinWalls(part: Part, { minWallMm }: Limits, wanted: () => boolean): Promise<BufferGeometry | null> {
  const { geometry, colours } = unshared(part);
  const world = part.mesh.matrixWorld;
  const placed = geometry.clone().applyMatrix4(world);
  const tree = new MeshBVH(placed);
  const { count, read } = faces(geometry, world);
  const ray = new Ray();
  for (let start = 0; start < count; start += CHUNK) {
    if (!wanted()) return null;
    for (let face = start; face < Math.min(start + CHUNK, count); face += 1) {
      const { corners, normal } = read(face);
      ray.origin.copy(corners[0]).add(corners[1]).add(corners[2]).divideScalar(3);
      ray.direction.copy(normal).negate();
      const thickness = tree.raycastFirst(ray, DoubleSide, 1e-3)?.distance ?? Infinity;
      paint(colours, face, thickness < minWallMm ? BAD : thickness < 2 * minWallMm ? NEAR : FINE);
    }
    await breath();
  }
  placed.dispose();
  return geometry;
}
