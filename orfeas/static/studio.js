"use strict";

const at = (id) => document.getElementById(id);
const form = at("form");
const FINAL = ["succeeded", "failed", "cancelled"];
const SENTENCES = [
  ["image.", "Looking for the subject"],
  ["shape.", "Making the shape"],
  ["mesh.texture", "Laying the photo on the model"],
  ["mesh.export", "Writing the file"],
  ["mesh.verify", "Checking the file"],
  ["mesh.", "Refining the mesh"],
  ["render.", "Drawing a preview"],
];

form.elements.quality.addEventListener("input", () => { at("level").value = form.elements.quality.value; });
form.elements.image.addEventListener("change", showChosen);
for (const kind of ["dragenter", "dragover"]) {
  at("drop").addEventListener(kind, (event) => { event.preventDefault(); at("drop").classList.add("over"); });
}
at("drop").addEventListener("dragleave", () => at("drop").classList.remove("over"));
at("drop").addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  if (event.dataTransfer.files.length) {
    form.elements.image.files = event.dataTransfer.files;
    showChosen();
  }
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  make().catch(showProblem).finally(() => { at("make").disabled = false; });
});

function showChosen() {
  const file = form.elements.image.files[0];
  at("chosen").hidden = !file;
  at("hint").hidden = Boolean(file);
  if (file) {
    URL.revokeObjectURL(at("chosen").src);
    at("chosen").src = URL.createObjectURL(file);
  }
}

async function make() {
  at("make").disabled = true;
  at("result").hidden = at("problem").hidden = true;
  at("work").hidden = false;
  at("stage").textContent = "Sending the photo";
  at("bar").removeAttribute("value");
  const body = new FormData();
  body.set("image", form.elements.image.files[0]);
  body.set("formats", form.elements.format.value);
  body.set("mode", form.elements.mode.value);
  body.set("quality", form.elements.quality.value);
  let job = await call("/api/v1/generations", { method: "POST", body });
  while (!FINAL.includes(job.state)) {
    showProgress(job);
    await new Promise((resolve) => setTimeout(resolve, 250));
    job = await call(job.links.self);
  }
  showProgress(job);
  if (job.state !== "succeeded") throw new Error(job.error ? job.error.detail : "The job was cancelled.");
  showResult(job);
}

async function call(url, options) {
  const response = await fetch(url, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail);
  return answer;
}

function showProgress(job) {
  const { percent, stage } = job.progress;
  if (percent !== null && percent !== undefined) at("bar").value = percent;
  at("stage").textContent = FINAL.includes(job.state) ? "" : sentenceOf(job, stage || "");
}

function sentenceOf(job, stage) {
  if (job.state !== "running") return job.queue_position > 1 ? `Waiting, number ${job.queue_position}` : "Starting";
  const known = SENTENCES.find(([start]) => stage.startsWith(start));
  return known ? known[1] : stage;
}

function showResult(job) {
  const result = job.result;
  const preview = result.assets.find((asset) => asset.role === "preview");
  at("preview").hidden = !preview;
  if (preview) at("preview").src = preview.url;
  at("links").replaceChildren(...result.assets.filter((asset) => asset.role !== "preview").map(link));
  at("measures").textContent = sentence(result, job);
  at("warnings").replaceChildren(...(job.warnings || []).map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
  at("result").hidden = false;
}

function link(asset) {
  const found = document.createElement("a");
  found.href = `${asset.url}${asset.url.includes("?") ? "&" : "?"}download=1`;
  found.download = asset.filename;
  found.textContent = `Download ${asset.format} (${(asset.size_bytes / 1e6).toFixed(1)} MB)`;
  return found;
}

function sentence(result, job) {
  const measures = Object.values(result.measures || {})[0] || {};
  const faces = measures.faces ?? measures.face_count;
  const size = measures.extents_mm;
  const parts = [];
  if (faces) parts.push(`${faces.toLocaleString("en")} triangles`);
  if (size) parts.push(`${size.map((side) => side.toFixed(1)).join(" × ")} mm`);
  if (measures.watertight ?? measures.is_watertight) parts.push("watertight");
  if (job.cached) parts.push("made before");
  else if (job.run_seconds) parts.push(`${job.run_seconds.toFixed(1)} s`);
  return parts.join(", ");
}

function showProblem(error) {
  at("problem").textContent = error.message;
  at("problem").hidden = false;
  at("stage").textContent = "";
  at("bar").value = 0;
}
