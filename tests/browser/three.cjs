// Lets three.js in Chromium draw a glb (to a PNG), or tell what it reads from a glb or an OBJ with its MTL (to JSON).
// Arguments: the node_modules folder, Chromium, a JSON file of tasks [{glb, png, camera, lights, size}, {glb, json},
// {obj, mtl, json}].
const [modules, executablePath, tasks] = process.argv.slice(2);
const { chromium } = require(modules + "/playwright-core");
const { createServer } = require("http");
const { readFileSync, writeFileSync } = require("fs");
const { join, normalize } = require("path");

const PAGE = `<!doctype html><script type="importmap">
{"imports": {"three": "/three/build/three.module.js", "three/addons/": "/three/examples/jsm/"}}
</script><script type="module">
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { MTLLoader } from "three/addons/loaders/MTLLoader.js";
import { OBJLoader } from "three/addons/loaders/OBJLoader.js";
window.read = async ({ glb }) => {
  const bytes = Uint8Array.from(atob(glb), (c) => c.charCodeAt(0)).buffer;
  const { scene, cameras } = await new GLTFLoader().parseAsync(bytes, "");
  scene.updateMatrixWorld(true);
  const nodes = [];
  scene.traverse((node) => nodes.push({
    name: node.userData.name ?? node.name, type: node.type, matrix: node.matrixWorld.elements, fov: node.fov, intensity: node.intensity,
    color: node.color?.toArray(), base: node.material?.color?.toArray(), roughness: node.material?.roughness,
    vertices: node.geometry?.attributes.position.count,
  }));
  return JSON.stringify({ nodes, cameras: cameras.length });
};
window.wavefront = async ({ obj, mtl }) => {
  const materials = new MTLLoader().parse(mtl, "");
  materials.preload();
  const found = new OBJLoader().setMaterials(materials).parse(obj);
  const meshes = [];
  found.traverse((node) => node.isMesh && meshes.push({
    name: node.name, vertices: node.geometry.attributes.position.count, material: node.material.name,
    color: node.material.color.clone().convertLinearToSRGB().toArray(), opacity: node.material.opacity,
    shininess: node.material.shininess, specular: node.material.specular.clone().convertLinearToSRGB().toArray(),
  }));
  return JSON.stringify(meshes);
};
window.draw = async ({ glb, camera, lights, size }) => {
  const bytes = Uint8Array.from(atob(glb), (c) => c.charCodeAt(0)).buffer;
  const { scene } = await new GLTFLoader().parseAsync(bytes, "");
  const renderer = new THREE.WebGLRenderer({ antialias: true, alpha: true, preserveDrawingBuffer: true });
  renderer.setSize(size, size);
  renderer.toneMapping = THREE.NoToneMapping;
  renderer.setClearColor(0, 0);
  scene.add(new THREE.AmbientLight(0xffffff, lights.ambient * Math.PI));
  for (const { color, intensity, position } of lights.lamps) {
    const lamp = new THREE.DirectionalLight(new THREE.Color(...color), intensity * Math.PI);
    lamp.position.set(...position);
    scene.add(lamp);
  }
  const half = camera.distance * Math.tan((camera.fov * Math.PI) / 360);
  const seen = camera.projection === "orthographic"
    ? new THREE.OrthographicCamera(-half, half, half, -half, 1e-4, 10)
    : new THREE.PerspectiveCamera(camera.fov, 1, 1e-4, 10);
  seen.position.set(...camera.position);
  seen.up.set(...camera.up);
  seen.lookAt(...camera.target);
  renderer.render(scene, seen);
  return renderer.domElement.toDataURL("image/png");
};
window.ready = true;
</script>`;

const server = createServer((request, response) => {
  if (request.url === "/") return response.setHeader("content-type", "text/html").end(PAGE);
  try {
    const body = readFileSync(join(modules, normalize(request.url)));
    response.setHeader("content-type", "text/javascript").end(body);
  } catch {
    response.writeHead(404).end();
  }
});

server.listen(0, "127.0.0.1", async () => {
  const browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic",
      "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error(String(error)));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.waitForFunction("window.ready");
  for (const task of JSON.parse(readFileSync(tasks))) {
    const kind = task.obj ? "wavefront" : task.png ? "draw" : "read";
    const given = kind === "wavefront"
      ? { obj: readFileSync(task.obj, "utf8"), mtl: readFileSync(task.mtl, "utf8") }
      : { ...task, glb: readFileSync(task.glb).toString("base64") };
    const made = await page.evaluate(([name, asked]) => window[name](asked), [kind, given]);
    if (task.png) writeFileSync(task.png, Buffer.from(made.split(",")[1], "base64"));
    else writeFileSync(task.json, made);
  }
  await browser.close();
  server.close();
});
