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
  at("empty").hidden = at("result").hidden = at("problem").hidden = true;
  at("work").hidden = false;
  at("stage").textContent = "Sending the photo";
  at("bar").removeAttribute("value");
  at("work").scrollIntoView({ block: "nearest" });
  let job = await call("/api/v1/generations", { method: "POST", body: new FormData(form) });
  while (!FINAL.includes(job.state)) {
    showProgress(job);
    await new Promise((resolve) => setTimeout(resolve, 250));
    job = await call(job.links.self);
  }
  if (job.state !== "succeeded") throw new Error(job.error ? job.error.detail : "The job was cancelled.");
  const { formats } = await call("/api/v1/capabilities");
  showResult(job, formats.filter((format) => format.available && format.write));
}

async function call(url, options) {
  const response = await fetch(url, options).catch(() => { throw new Error("The server does not answer."); });
  const answer = await response.json().catch(() => ({ detail: `The server answered ${response.status}.` }));
  if (!response.ok) throw new Error(answer.detail || answer.title);
  return answer;
}

function showProgress(job) {
  const { percent, stage, stage_index: index, stage_count: count } = job.progress;
  if (typeof percent === "number") at("bar").value = percent;
  at("stage").textContent = sentenceOf(job, stage || "") + (index ? ` (${index} of ${count})` : "");
}

function sentenceOf(job, stage) {
  if (job.state !== "running") return job.queue_position > 1 ? `Waiting, number ${job.queue_position}` : "Starting";
  const known = SENTENCES.find(([start]) => stage.startsWith(start));
  return known ? known[1] : stage;
}

function showResult(job, formats) {
  const preview = job.result.assets.find((asset) => asset.role === "preview");
  at("preview").hidden = !preview;
  if (preview) at("preview").src = preview.url;
  at("measures").replaceChildren(...facts(job).flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  at("warnings").replaceChildren(...job.warnings.map((text) => element("li", text)));
  at("links").replaceChildren(...links(job, formats));
  at("work").hidden = true;
  at("result").hidden = false;
  at("result").scrollIntoView({ block: "nearest" });
}

function facts(job) {
  const [measures] = Object.values(job.result.measures);
  return [
    ["Size", `${measures.extents_mm.map((side) => side.toFixed(1)).join(" × ")} mm`],
    ["Triangles", measures.face_count.toLocaleString("en")],
    ["Closed", measures.is_watertight ? "yes, watertight" : "no"],
    ["Made in", job.cached || job.run_seconds === null ? "no time, it was made before" : `${job.run_seconds.toFixed(1)} s`],
  ];
}

// The format that was made comes first; the server makes the others of the same model when they are asked for.
function links(job, formats) {
  const made = Object.fromEntries(job.result.assets.filter((asset) => asset.role === "model").map((asset) => [asset.format, asset]));
  const ordered = [...formats].sort((one, other) => Boolean(made[other.format]) - Boolean(made[one.format]));
  return ordered.map(({ format }) => {
    const size = made[format] ? ` (${(made[format].size_bytes / 1e6).toFixed(1)} MB)` : "";
    const found = element("a", format + size);
    found.href = `${job.links.result}?format=${format}&download=1`;
    found.download = "";
    found.className = made[format] ? "made" : "";
    return found;
  });
}

function element(name, text) {
  const found = document.createElement(name);
  found.textContent = text;
  return found;
}

function showProblem(error) {
  at("work").hidden = true;
  at("problem").textContent = error.message;
  at("problem").hidden = false;
}
