/** A loaded model in millimetres, standing on the floor around the origin. */
import { Box3, Color, Group, Mesh, MeshPhysicalMaterial, MeshStandardMaterial, Vector3 } from "three";
import type { BufferGeometry, Material, Object3D } from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { send } from "../api/client";
import type { MaterialPreset, Vector } from "../api/types";

/** glTF counts metres. */
const MILLIMETRES = 1000;
const CLAY = "#98a29c";

export interface Part {
  mesh: Mesh;
  own: Material | Material[];
  plain: BufferGeometry;
}

export class Model {
  readonly root = new Group();
  readonly parts: Part[] = [];
  readonly size: Vector3;
  readonly radius: number;
  readonly faces: number;
  /** From the file's axes to the floor: what was added to every position. */
  readonly shift: Vector3;

  constructor(scene: Object3D) {
    scene.scale.multiplyScalar(MILLIMETRES);
    this.root.add(scene);
    this.root.updateMatrixWorld(true);
    const box = new Box3().setFromObject(this.root, true);
    this.size = box.getSize(new Vector3());
    this.radius = Math.max(this.size.length() / 2, 1e-3);
    const centre = box.getCenter(new Vector3());
    this.shift = new Vector3(-centre.x, -box.min.y, -centre.z);
    this.root.position.copy(this.shift);
    this.root.updateMatrixWorld(true);
    let faces = 0;
    this.root.traverse((node) => {
      if (!(node instanceof Mesh)) return;
      const geometry = node.geometry as BufferGeometry;
      if (!geometry.getAttribute("normal")) geometry.computeVertexNormals();
      node.castShadow = true;
      clay(node.material);
      this.parts.push({ mesh: node, own: node.material as Material | Material[], plain: geometry });
      faces += (geometry.index ?? geometry.getAttribute("position")).count / 3;
    });
    this.faces = faces;
  }

  get centre(): Vector3 {
    return new Vector3(0, this.size.y / 2, 0);
  }

  /** A position of the file, in mm, where the viewer shows it; files that are z up are shown y up. */
  place([x, y, z]: Vector, upAxis: string | null): Vector3 {
    return (upAxis === "z" ? new Vector3(x, z, -y) : new Vector3(x, y, z)).add(this.shift);
  }

  dispose(): void {
    for (const { mesh, own, plain } of this.parts) {
      plain.dispose();
      if (mesh.geometry !== plain) (mesh.geometry as BufferGeometry).dispose();
      for (const material of [own].flat()) {
        for (const value of Object.values(material)) if (value?.isTexture) value.dispose();
        material.dispose();
      }
    }
  }
}

/** What has no colour of its own is drawn as clay: on white no shape can be seen. */
function clay(material: Material | Material[]): void {
  for (const one of [material].flat()) {
    if (!(one instanceof MeshStandardMaterial) || one.map || one.vertexColors || Math.min(...one.color.toArray()) < 0.99) continue;
    one.color.set(CLAY);
    one.roughness = 0.75;
    one.metalness = 0;
  }
}

export async function loadModel(url: string, signal?: AbortSignal): Promise<Model> {
  const bytes = await (await send(url, { signal })).arrayBuffer();
  const { scene } = await new GLTFLoader().parseAsync(bytes, "");
  return new Model(scene);
}

/** A preset as three.js draws it. */
export function dressed(preset: MaterialPreset): MeshStandardMaterial {
  return new MeshPhysicalMaterial({
    color: new Color().setRGB(...preset.base_color),
    metalness: preset.metalness,
    roughness: preset.roughness,
    specularIntensity: preset.reflectivity,
    opacity: preset.opacity,
    transparent: preset.opacity < 1,
    emissive: new Color().setRGB(...(preset.emissive_color ?? [0, 0, 0])),
    emissiveIntensity: preset.emissive_intensity,
  });
}
