/** The orbit viewer: one or two models on a floor in millimetres, drawn when something changes. */
import {
  AmbientLight, Color, DirectionalLight, GridHelper, Group, InstancedMesh, Matrix4, MeshBasicMaterial, NeutralToneMapping,
  OrthographicCamera, PCFShadowMap, PerspectiveCamera, PlaneGeometry, PMREMGenerator, Scene, ShadowMaterial,
  SphereGeometry, Spherical, Vector3, WebGLRenderer, Mesh,
} from "three";
import type { Material } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { RoomEnvironment } from "three/addons/environments/RoomEnvironment.js";
import type { CameraPath } from "../api/look";
import type { LightPreset, MaterialPreset, Vector, View } from "../api/types";
import { dressed, loadModel } from "./model";
import type { Model } from "./model";
import { coloured, normals, overhangs, thinWalls } from "./shading";
import type { Limits, Mode } from "./shading";

/** Views of the API see a model as if it lay in a ball of this radius around the origin. */
const FRAME = 3.6;
const TURN_MS = 450;
/** CSS defines 96 pixels to the inch. */
const PIXELS_PER_MM = 96 / 25.4;
const STEPS_MM = [1, 5, 10, 50, 100];
/** Shares of lights as the presets say them, so that white stays below white. */
const ENVIRONMENT = 0.36;
const AMBIENT = 0.55;
const LAMPS = 0.62;

export interface Mark {
  points: Vector[];
  colour: string;
}

export class Viewer {
  readonly canvas: HTMLCanvasElement;
  model: Model | null = null;
  onGrid: (stepMm: number) => void = () => {};
  private before: Model | null = null;
  private split: number | null = null;
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly eye = new PerspectiveCamera(45, 1, 0.1, 10_000);
  private readonly flat = new OrthographicCamera(-1, 1, 1, -1, -10_000, 10_000);
  private camera: PerspectiveCamera | OrthographicCamera = this.eye;
  private readonly controls: OrbitControls;
  private readonly ambient = new AmbientLight(0xffffff, 0.3 * Math.PI);
  private readonly lamps = [new DirectionalLight(), new DirectionalLight(), new DirectionalLight()] as const;
  private readonly floor = new Group();
  private readonly marks = new Group();
  private readonly watch: ResizeObserver;
  private mode: Mode = "own";
  private limits: Limits = { overhangDeg: 45, minWallMm: 1 };
  private material: Material | null = null;
  private lighting: LightPreset | null = null;
  private path: { found: CameraPath; start: number } | null = null;
  private flight: { from: Vector3; to: Vector3; target: Vector3; aim: Vector3; start: number } | null = null;
  private turn = 0;
  private asked = false;
  private gone = false;
  private overhang = 0;

  constructor(private readonly host: HTMLElement) {
    this.renderer = new WebGLRenderer({ antialias: true, alpha: true });
    this.canvas = this.renderer.domElement;
    this.renderer.toneMapping = NeutralToneMapping;
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = PCFShadowMap;
    this.renderer.shadowMap.autoUpdate = false;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    host.append(this.canvas);
    const room = new PMREMGenerator(this.renderer);
    this.scene.environment = room.fromScene(new RoomEnvironment(), 0.04).texture;
    this.scene.environmentIntensity = ENVIRONMENT;
    room.dispose();
    this.scene.add(this.ambient, ...this.lamps, this.floor, this.marks);
    this.lamps[0].castShadow = true;
    this.lamps[0].shadow.mapSize.set(1024, 1024);
    this.lamps[0].shadow.radius = 6;
    this.controls = this.controlled(this.camera);
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(host);
    this.resize();
  }

  dispose(): void {
    this.gone = true;
    this.watch.disconnect();
    this.controls.dispose();
    this.model?.dispose();
    this.before?.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
    this.canvas.remove();
  }

  // what is shown

  async show(url: string, signal?: AbortSignal): Promise<Model> {
    const model = await loadModel(url, signal);
    if (this.gone || signal?.aborted) {
      model.dispose();
      throw new DOMException("The viewer was left.", "AbortError");
    }
    const first = this.model === null;
    if (this.model) this.remove(this.model);
    this.model = model;
    this.scene.add(model.root);
    this.furnish();
    if (first) this.look({ position: [0.7, 0.45, 0.85].map((part) => part * 10) as Vector, target: [0, 0, 0], fov: 40, projection: "perspective" }, false);
    await this.apply();
    return model;
  }

  /** Shows another model left of the slider, to compare with. */
  async compare(url: string | null, signal?: AbortSignal): Promise<void> {
    if (this.before) this.remove(this.before);
    this.before = null;
    this.split = null;
    if (url) {
      const model = await loadModel(url, signal);
      if (this.gone || signal?.aborted) return model.dispose();
      this.before = model;
      this.split = 0.5;
      this.scene.add(model.root);
    }
    await this.apply();
  }

  divide(share: number): void {
    this.split = share;
    this.draw();
  }

  private remove(model: Model): void {
    this.scene.remove(model.root);
    model.dispose();
  }

  // how it is shown

  async setMode(mode: Mode, limits: Limits): Promise<void> {
    this.mode = mode;
    this.limits = limits;
    await this.apply();
  }

  async setMaterial(preset: MaterialPreset | null): Promise<void> {
    this.material?.dispose();
    this.material = preset && dressed(preset);
    await this.apply();
  }

  get overhangArea(): number {
    return this.overhang;
  }

  setLight(preset: LightPreset, background: boolean): void {
    this.lighting = preset;
    this.ambient.intensity = preset.ambient_intensity * Math.PI * AMBIENT;
    const [main, fill, back] = this.lamps;
    const radius = (this.model?.radius ?? 50) * 3;
    const place = (lamp: DirectionalLight, [x, y, z]: Vector, intensity: number) => {
      lamp.position.set(x, y, z).normalize().multiplyScalar(radius);
      lamp.intensity = intensity * Math.PI * LAMPS;
    };
    place(main, preset.main_light_position, preset.main_light_intensity);
    place(fill, preset.fill_light_position, preset.fill_light_intensity);
    place(back, preset.back_light_position, preset.back_light_intensity);
    main.color.setRGB(...preset.main_light_color);
    this.scene.background = background ? new Color().setRGB(...preset.background_color) : null;
    this.scene.environmentIntensity = ENVIRONMENT * Math.min(1, preset.ambient_intensity / 0.3);
    this.renderer.shadowMap.needsUpdate = true;
    this.draw();
  }

  setGrid(shown: boolean): void {
    this.floor.visible = shown;
    this.draw();
  }

  mark(marks: readonly Mark[], upAxis: string | null): void {
    for (const old of this.marks.children as InstancedMesh[]) {
      old.geometry.dispose();
      (old.material as Material).dispose();
      old.dispose();
    }
    this.marks.clear();
    const model = this.model;
    if (!model) return;
    for (const { points, colour } of marks) {
      const ball = new SphereGeometry(model.radius * 0.011, 10, 8);
      const dots = new InstancedMesh(ball, new MeshBasicMaterial({ color: colour, depthTest: false, transparent: true, opacity: 0.85 }), points.length);
      points.forEach((point, index) => dots.setMatrixAt(index, new Matrix4().setPosition(model.place(point, upAxis))));
      dots.renderOrder = 2;
      this.marks.add(dots);
    }
    this.draw();
  }

  /** Gives every part the material and the geometry of the mode; thin walls take a while and may be overtaken. */
  private async apply(): Promise<void> {
    const turn = ++this.turn;
    const current = () => turn === this.turn && !this.gone;
    this.overhang = 0;
    for (const model of [this.before, this.model]) {
      for (const part of model?.parts ?? []) {
        const { geometry, material } = await this.look_of(part, current);
        if (!current()) return;
        if (part.mesh.geometry !== part.plain && part.mesh.geometry !== geometry) part.mesh.geometry.dispose();
        part.mesh.geometry = geometry;
        part.mesh.material = material;
        for (const one of [material].flat()) (one as Material & { wireframe?: boolean }).wireframe = this.mode === "wireframe";
      }
    }
    if (this.lighting) this.setLight(this.lighting, this.scene.background !== null);
    this.renderer.shadowMap.needsUpdate = true;
    this.draw();
  }

  private async look_of(part: Model["parts"][number], current: () => boolean) {
    if (this.mode === "overhang") {
      const { geometry, area } = overhangs(part, this.limits);
      this.overhang += area;
      return { geometry, material: coloured() };
    }
    if (this.mode === "thin") return { geometry: (await thinWalls(part, this.limits, current)) ?? part.plain, material: coloured() };
    if (this.mode === "normals") return { geometry: part.plain, material: normals() };
    return { geometry: part.plain, material: this.material ?? part.own };
  }

  /** The floor: a grid whose cells are a round number of millimetres, and the model's shadow on it. */
  private furnish(): void {
    const model = this.model!;
    const wide = Math.max(model.size.x, model.size.z, model.size.y * 0.6) * 2;
    const step = STEPS_MM.find((mm) => wide / mm <= 60) ?? 500;
    const cells = Math.max(4, Math.ceil(wide / step / 2) * 2);
    this.floor.clear();
    const grid = new GridHelper(cells * step, cells, 0x7d8a84, 0x7d8a84);
    (grid.material as Material).transparent = true;
    (grid.material as Material).opacity = 0.28;
    grid.position.y = -model.radius * 0.001;
    const ground = new Mesh(new PlaneGeometry(cells * step, cells * step).rotateX(-Math.PI / 2), new ShadowMaterial({ opacity: 0.16 }));
    ground.receiveShadow = true;
    ground.position.y = -model.radius * 0.002;
    this.floor.add(grid, ground);
    const shadow = this.lamps[0].shadow.camera;
    Object.assign(shadow, { left: -model.radius * 1.6, right: model.radius * 1.6, top: model.radius * 1.6, bottom: -model.radius * 1.6, near: model.radius * 0.1, far: model.radius * 8 });
    shadow.updateProjectionMatrix();
    this.eye.near = model.radius / 100;
    this.eye.far = model.radius * 60;
    this.controls.minDistance = model.radius * 0.2;
    this.controls.maxDistance = model.radius * 20;
    this.onGrid(step);
  }

  // where from

  private get scale(): number {
    return (this.model?.radius ?? FRAME) / FRAME;
  }

  look(view: View, flying = true): void {
    this.path = null;
    const centre = this.model?.centre ?? new Vector3();
    const at = (vector: Vector) => new Vector3(...vector).multiplyScalar(this.scale).add(centre);
    this.use(view.projection === "orthographic" ? this.flat : this.eye);
    this.eye.fov = view.fov;
    const [to, aim] = [at(view.position), at(view.target)];
    // Straight from above there is no telling where up is; a hair beside there is.
    if (Math.hypot(to.x - aim.x, to.z - aim.z) < 1e-6) to.z += this.scale * 1e-3;
    if (view.projection === "orthographic") this.fit(to.distanceTo(aim) * Math.tan((view.fov * Math.PI) / 360));
    this.controls.target.copy(flying ? this.controls.target : aim);
    if (flying && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.flight = { from: this.camera.position.clone(), to, target: this.controls.target.clone(), aim, start: performance.now() };
    } else {
      this.camera.position.copy(to);
      this.controls.target.copy(aim);
    }
    this.resize();
  }

  /** The present view in the API's frame. */
  get view(): View {
    const centre = this.model?.centre ?? new Vector3();
    const read = (vector: Vector3) => vector.clone().sub(centre).divideScalar(this.scale).toArray().map((part) => Math.round(part * 1e4) / 1e4) as Vector;
    const flat = this.camera === this.flat;
    return { position: read(this.camera.position), target: read(this.controls.target), fov: Math.round(this.eye.fov * 10) / 10, projection: flat ? "orthographic" : "perspective" };
  }

  /** A millimetre of the model is a millimetre of the screen, as CSS counts them. */
  actualSize(): void {
    this.use(this.flat);
    this.fit(this.host.clientHeight / 2 / PIXELS_PER_MM);
    this.resize();
  }

  play(found: CameraPath): void {
    this.path = { found, start: performance.now() };
    this.use(this.eye);
    this.draw();
  }

  stop(): void {
    this.path = null;
  }

  get playing(): boolean {
    return this.path !== null;
  }

  /** Turns and zooms by keys: radians around and up, a factor of the distance. */
  nudge(around: number, up: number, nearer = 1): void {
    this.path = null;
    const offset = this.camera.position.clone().sub(this.controls.target);
    const place = new Spherical().setFromVector3(offset);
    place.theta += around;
    place.phi = Math.min(Math.PI - 0.01, Math.max(0.01, place.phi + up));
    place.radius = Math.min(this.controls.maxDistance, Math.max(this.controls.minDistance, place.radius * nearer));
    if (this.camera === this.flat && nearer !== 1) {
      this.flat.zoom /= nearer;
      this.flat.updateProjectionMatrix();
    }
    this.camera.position.setFromSpherical(place).add(this.controls.target);
    this.draw();
  }

  private use(camera: PerspectiveCamera | OrthographicCamera): void {
    if (camera === this.camera) return;
    camera.position.copy(this.camera.position);
    this.camera = camera;
    this.controls.object = camera;
  }

  private fit(halfHeight: number): void {
    this.flat.zoom = 1;
    this.flat.userData.half = halfHeight;
  }

  private controlled(camera: PerspectiveCamera | OrthographicCamera): OrbitControls {
    const controls = new OrbitControls(camera, this.canvas);
    controls.enableDamping = true;
    controls.addEventListener("change", () => this.draw());
    controls.addEventListener("start", () => {
      this.path = null;
      this.flight = null;
    });
    return controls;
  }

  // drawing

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (!width || !height) return;
    this.renderer.setSize(width, height);
    const half = (this.flat.userData.half as number | undefined) ?? 1;
    Object.assign(this.flat, { left: (-half * width) / height, right: (half * width) / height, top: half, bottom: -half });
    this.eye.aspect = width / height;
    this.eye.updateProjectionMatrix();
    this.flat.updateProjectionMatrix();
    this.draw();
  }

  /** Draws at the next frame; many wishes are one frame. */
  draw(): void {
    if (this.asked || this.gone) return;
    this.asked = true;
    requestAnimationFrame((now) => {
      this.asked = false;
      if (!this.gone) this.frame(now);
    });
  }

  private frame(now: number): void {
    this.travel(now);
    this.controls.update();
    const { width, height } = this.canvas;
    const ratio = this.renderer.getPixelRatio();
    if (this.before && this.split !== null) {
      const edge = (width / ratio) * this.split;
      this.renderer.setScissorTest(true);
      this.half(this.before, 0, edge, height / ratio);
      this.half(this.model!, edge, width / ratio - edge, height / ratio);
      this.renderer.setScissorTest(false);
      this.before.root.visible = true;
      this.model!.root.visible = true;
    } else {
      this.renderer.render(this.scene, this.camera);
    }
    if (this.path || this.flight) this.draw();
  }

  private half(model: Model, left: number, width: number, height: number): void {
    this.before!.root.visible = model === this.before;
    this.model!.root.visible = model === this.model;
    this.renderer.shadowMap.needsUpdate = true;
    this.renderer.setScissor(left, 0, width, height);
    this.renderer.render(this.scene, this.camera);
  }

  private travel(now: number): void {
    if (this.flight) {
      const { from, to, target, aim, start } = this.flight;
      const share = Math.min(1, Math.max(0, now - start) / TURN_MS); // a frame may have begun before
      const eased = 1 - (1 - share) ** 3;
      this.controls.target.lerpVectors(target, aim, eased);
      // Around the target rather than through it.
      const [one, other] = [from.clone().sub(target), to.clone().sub(aim)];
      const length = one.length() + (other.length() - one.length()) * eased;
      this.camera.position.lerpVectors(one, other, eased).setLength(length).add(this.controls.target);
      if (share === 1) {
        this.camera.position.copy(to);
        this.flight = null;
      }
    } else if (this.path) {
      const { found, start } = this.path;
      const points = found.path_points;
      const at = ((Math.max(0, now - start) / 1000) % found.duration) / found.duration;
      const place = at * (points.length - 1);
      const [one, other] = [points[Math.floor(place)]!, points[Math.min(points.length - 1, Math.floor(place) + 1)]!];
      const centre = this.model?.centre ?? new Vector3();
      const position = new Vector3(...one.position).lerp(new Vector3(...other.position), place % 1);
      this.camera.position.copy(position.multiplyScalar(this.scale).add(centre));
      this.controls.target.copy(new Vector3(...one.target).multiplyScalar(this.scale).add(centre));
    }
  }

  /** Frames a second while the camera goes round, over so many milliseconds. */
  async measure(forMs: number): Promise<number> {
    const start = performance.now();
    let frames = 0;
    while (performance.now() - start < forMs) {
      this.nudge(0.03, 0);
      await new Promise(requestAnimationFrame);
      this.renderer.getContext().finish();
      frames += 1;
    }
    return (frames * 1000) / (performance.now() - start);
  }

  /** Triangles of the last frame. */
  get drawn(): number {
    return this.renderer.info.render.triangles;
  }

  picture(): Promise<Blob | null> {
    this.frame(performance.now());
    return new Promise((resolve) => this.canvas.toBlob(resolve, "image/png"));
  }
}
