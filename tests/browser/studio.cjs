// Uses the studio of a running server as a person would, in Chromium, and prints what happened as one line of JSON.
// Arguments: the node_modules folder, Chromium, what to do, the server's URL, the folder of test files, one for downloads.
const [modules, executablePath, task, base, data, folder] = process.argv.slice(2);
const { chromium } = require(modules + "/playwright-core");
const { once } = require("events");
const { join } = require("path");
const { readFileSync } = require("fs");
const { gzipSync } = require("zlib");
const { QUIET, SOFTWARE_3D, emptyReport, save, watch } = require("./common.cjs");

const AXE = readFileSync(join(modules, "axe-core", "axe.min.js"), "utf8");
const PHOTO = join(data, "mug.png");
const STAR = join(data, "star.png");
const OPEN_MESH = join(folder, "open.stl");
const LONG_MS = 90_000;

const named = (page, role, name, options = {}) => page.getByRole(role, { name, exact: true, ...options });
const button = (page, name) => named(page, "button", name);

async function open(page, address) {
  await page.goto(`${base}/#/${address}`);
}

async function tab(page, name) {
  await named(page, "tab", name).click();
}

async function unfold(page, title) {
  const summary = page.locator("summary", { hasText: title });
  if (!(await summary.evaluate((found) => found.parentElement.open))) await summary.click();
}

async function slide(page, label, value) {
  await page.getByRole("slider", { name: label }).fill(String(value));
}

// The choices are drawn over their radio buttons.
async function choose(page, name) {
  await page.getByRole("radio", { name, exact: true }).check({ force: true });
}

async function shown(page) {
  await page.locator("[data-shown]").waitFor({ timeout: LONG_MS });
}

const jobOf = async (page) => (await page.request.get(`${base}/api/v1/jobs/${page.url().split("/jobs/")[1]}`)).json();

async function until(read, wanted) {
  for (const end = Date.now() + LONG_MS; Date.now() < end;) {
    const found = await read();
    if (wanted(found)) return found;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  throw new Error("it did not come to that");
}

const ended = (page) => until(() => jobOf(page), ({ state }) => ["succeeded", "failed", "cancelled"].includes(state));

// A job that takes many seconds: to be met at work, and to keep the only worker from what comes after it.
async function slow(page) {
  const picture = { name: "star.png", mimeType: "image/png", buffer: readFileSync(STAR) };
  const asked = { image: picture, quality: "10", octree_resolution: "320", steps: "60", use_cache: "false" };
  return (await page.request.post(`${base}/api/v1/generations`, { multipart: asked })).json();
}

const cancel = (page, { id }) => page.request.post(`${base}/api/v1/jobs/${id}/cancel`);

// Every rule of WCAG 2.2 AA and axe's own good practice, in both themes.
async function inspect(page, report, view) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => window.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }));
    report.inspected.push(`${view} ${colorScheme}`);
    for (const { id, nodes } of violations) report.violations.push(`${view} ${colorScheme}: ${id} ${nodes.map(({ html, failureSummary }) => html.slice(0, 160) + " " + failureSummary).slice(0, 3).join(" | ")}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
}

async function choosePhoto(page, ...files) {
  await page.locator("#photo").setInputFiles(files.length ? files : [PHOTO]);
}

async function make(page, quality, name = /^Make the model$/) {
  await slide(page, "Quality", quality);
  await page.getByRole("button", { name }).click();
}

const TASKS = {
  // A photo is dropped, the page is reloaded on the way, and the model is turned and taken home.
  async model(page, report) {
    const before = await slow(page);
    await open(page, "");
    const file = { name: "mug.png", bytes: [...readFileSync(PHOTO)] };
    const dataTransfer = await page.evaluateHandle(({ name, bytes }) => {
      const dropped = new DataTransfer();
      dropped.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
      return dropped;
    }, file);
    await page.dispatchEvent("#drop", "drop", { dataTransfer });
    await page.locator(".forecast svg").waitFor();
    report.forecast = await page.locator(".forecast").innerText();
    await unfold(page, "Advanced settings");
    await page.getByLabel("Tags").fill("kitchen, test");
    await make(page, 4);
    await page.locator(".follow-stage", { hasText: "in the queue" }).waitFor();
    report.waiting = (await jobOf(page)).state;
    await inspect(page, report, "waiting job");
    const address = page.url();
    await page.reload({ waitUntil: "domcontentloaded" });
    await page.locator(".follow-stage", { hasText: "in the queue" }).waitFor();
    report.sameAddress = page.url() === address;
    await cancel(page, before);
    await shown(page);
    const job = await ended(page);
    Object.assign(report, { state: job.state, tags: job.tags });
    await tab(page, "Files");
    const link = page.locator(".download", { hasText: "glb" });
    const lines = () => page.locator(".download").allInnerTexts();
    report.sizes = await until(lines, (found) => found.length > 0 && found.every((line) => line.endsWith("B")));
    report.glb = await save(page, link, folder);
    report.stl = await save(page, page.locator(".download", { hasText: "stl" }), folder);
    await inspect(page, report, "files");
    report.curl = await page.locator(".code-block code").innerText();
    await choose(page, "Python");
    report.python = await page.locator(".code-block code").innerText();
    await button(page, "Turntable").click();
    await page.locator(".made img").waitFor();
    report.turntable = await until(() => page.locator(".made img").evaluate((found) => found.naturalWidth), (width) => width > 0);
    await tab(page, "Details");
    await inspect(page, report, "details");
    // Run again with another size: only the stages after the size are made.
    await button(page, "Run again with changes").click();
    await page.getByLabel("Longest side").fill("60");
    await page.locator(".chosen img").waitFor();
    await page.getByRole("button", { name: "Make the model" }).click();
    await page.waitForURL((url) => url.href.includes("/jobs/") && url.href !== address);
    await shown(page);
    await page.locator(".recipe").waitFor();
    report.recipe = await page.locator(".recipe li").allInnerTexts();
    report.again = (await ended(page)).result.measures.glb.extents_mm;
  },

  async words(page, report) {
    await open(page, "");
    await choose(page, "Words");
    await inspect(page, report, "words");
    await page.getByRole("button", { name: "three green cubes stacked" }).click();
    await make(page, 2);
    await shown(page);
    report.prompt = (await ended(page)).request.prompt;
    await open(page, "create");
    await choose(page, "Words");
    await page.getByLabel("Describe it").fill("xyzzy plugh");
    await page.getByRole("alert").waitFor();
    report.refused = await page.getByRole("alert").innerText();
  },

  // A picture is drawn first, then a model is made of the same job, under a profile; a kept picture as well.
  async pictures(page, report) {
    await open(page, "create");
    await choose(page, "Words");
    await page.getByLabel("Describe it").fill("a red ball on a blue cube");
    await page.getByLabel("Draw a picture first").check();
    await page.getByRole("button", { name: "Draw the picture" }).click();
    await page.locator(".drawn").waitFor({ timeout: LONG_MS });
    await inspect(page, report, "drawn picture");
    const drawn = page.url();
    await slide(page, "Quality", 1);
    await page.getByLabel("Profile").selectOption("enhanced");
    await page.getByRole("button", { name: "Make the model" }).click();
    await shown(page);
    report.sameJob = page.url() === drawn;
    report.profile = (await ended(page)).result.profile;
    await open(page, "library");
    await page.locator("#keep").setInputFiles(STAR);
    await page.locator(".drawn").waitFor();
    await inspect(page, report, "kept picture");
    await slide(page, "Quality", 1);
    await page.getByRole("button", { name: "Make the model" }).click();
    await shown(page);
    report.kept = (await ended(page)).state;
  },

  async batch(page, report) {
    await open(page, "");
    await choosePhoto(page, PHOTO, STAR, join(folder, "words.png"));
    await make(page, 1, "Make 3 models");
    await page.waitForURL(/batch/);
    await page.getByText("2 of 2 are done.").waitFor({ timeout: LONG_MS });
    await page.locator(".thumb img").nth(1).waitFor();
    report.refused = await page.locator(".notice").innerText();
    report.names = await page.locator(".job-name").allInnerTexts();
    await inspect(page, report, "batch");
  },

  async cancelled(page, report) {
    await open(page, `jobs/${(await slow(page)).id}`);
    await page.locator(".stage-list .now").waitFor({ timeout: LONG_MS });
    report.stage = await page.locator(".stage-list .now").innerText();
    await button(page, "Cancel").click();
    await page.getByText("It was cancelled.").waitFor();
    report.state = (await jobOf(page)).state;
    await inspect(page, report, "cancelled job");
    const first = page.url();
    await button(page, "Try again").click();
    await page.waitForURL((url) => url.href.includes("/jobs/") && url.href !== first);
    report.retried = (await jobOf(page)).retried_from === first.split("/jobs/")[1];
    await button(page, "Cancel").click();
    await page.getByText("It was cancelled.").waitFor();
  },

  async refused(page, report) {
    await open(page, "");
    await choosePhoto(page, join(folder, "words.png"));
    await page.getByRole("alert").waitFor();
    report.problem = await page.getByRole("alert").innerText();
    report.disabled = await page.getByRole("button", { name: "Make the model" }).isDisabled();
    await inspect(page, report, "refused picture");
    await open(page, "jobs/00000000-0000-4000-8000-000000000000");
    await page.getByText("This entry is not here any more").waitFor();
    await inspect(page, report, "unknown job");
  },

  // The server is killed while a job is at work and started again: whoever calls does that between these two lines.
  async restarted(page, report) {
    await open(page, `jobs/${(await slow(page)).id}`);
    await page.locator(".stage-list .now").waitFor({ timeout: LONG_MS });
    process.stdout.write("kill it\n");
    await page.getByText("The server does not answer.").waitFor({ timeout: LONG_MS });
    process.stdout.write("start it\n");
    await once(process.stdin, "data");
    await shown(page);
    await page.getByText("The server does not answer.").waitFor({ state: "detached" });
    const job = await ended(page);
    Object.assign(report, { state: job.state, faces: job.result.measures.glb.face_count });
  },

  // A mesh with a hole: what is wrong, mended, reduced, fitted, turned, hollowed.
  async check(page, report) {
    await open(page, "check");
    await page.locator(".drop").waitFor();
    await inspect(page, report, "print check");
    await page.locator("#mesh").setInputFiles(OPEN_MESH);
    await shown(page);
    await page.locator(".verdict").waitFor({ timeout: LONG_MS });
    report.verdict = await page.locator(".verdict .notice").innerText();
    report.problems = await page.locator(".problems li").allInnerTexts();
    await inspect(page, report, "verdict");
    await button(page, "Repair").click();
    await page.getByText("Repaired", { exact: true }).waitFor({ timeout: LONG_MS });
    await page.getByText("It prints", { exact: true }).waitFor({ timeout: LONG_MS });
    await page.getByRole("slider", { name: "Divider between before and after" }).fill("25");
    await inspect(page, report, "before and after");
    await unfold(page, "Simplify");
    await page.getByRole("spinbutton", { name: "Triangles" }).fill("200");
    await button(page, "Simplify").click();
    await page.getByText("Simplified", { exact: true }).waitFor({ timeout: LONG_MS });
    report.simplified = await page.locator(".side > .notice").innerText();
    for (const [unfolded, name, done] of [[null, "Fit to the printer", "Fitted to the printer"], ["Turn for printing", "Turn for printing", "Turned"], ["Hollow", "Hollow", "Hollowed"]]) {
      if (unfolded) await unfold(page, unfolded);
      await button(page, name).click();
      await page.locator(".side > .notice").getByText(done, { exact: true }).waitFor({ timeout: LONG_MS });
    }
    await page.getByText("Open as its own entry").click();
    await page.waitForURL(/jobs/);
    await shown(page);
    report.last = (await jobOf(page)).type;
    report.size = await page.locator(".stage-size").innerText();
  },

  async look(page, report) {
    await open(page, "create?way=words&prompt=a%20small%20house");
    await page.getByLabel("Describe it").waitFor();
    await make(page, 1);
    await shown(page);
    for (const mode of ["Wireframe", "Normals", "Overhang", "Walls", "Shaded"]) {
      await choose(page, mode);
      await page.locator(mode === "Overhang" || mode === "Walls" ? ".legend:not([aria-busy='true'])" : ".stage-size").waitFor();
      await inspect(page, report, mode);
    }
    await tab(page, "Look");
    await choose(page, "Wood");
    await choose(page, "Warm");
    await page.getByLabel("Use its background").check();
    await unfold(page, "Adjust, export as MTL");
    await slide(page, "Roughness", 0.3);
    report.mtl = await save(page, button(page, "Export MTL"), folder);
    report.shownMtl = await page.locator(".code-block code").innerText();
    await button(page, "Material document").click();
    await page.locator(".code-block code", { hasText: "material_threejs" }).waitFor();
    for (const view of ["Front", "Top", "Corner"]) await button(page, view).click();
    await page.getByLabel("Keep this view as").fill("From above");
    await button(page, "Keep").click();
    await button(page, "From above").click();
    await unfold(page, "Exact camera");
    await button(page, "Look from there").click();
    await page.getByText("away").waitFor();
    await inspect(page, report, "look");
    for (const path of ["Turntable", "Orbit, up and down"]) {
      await choose(page, path);
      await button(page, "Turn round").click();
      await button(page, "Stop turning").click();
    }
    await page.locator(".stage-canvas").focus();
    for (const key of ["ArrowLeft", "ArrowUp", "+", "-"]) await page.keyboard.press(key);
    await button(page, "Actual size").click();
    await button(page, "Grid").click();
    report.picture = await save(page, button(page, "Save what is shown"), folder);
  },

  async assistant(page, report) {
    await open(page, "assistant");
    await page.locator("table").waitFor();
    await inspect(page, report, "agents");
    await button(page, "Ask").click();
    await page.getByText("has answered.").waitFor({ timeout: LONG_MS });
    await page.locator("#agent-photo").setInputFiles(PHOTO);
    await slide(page, "Quality", 1);
    await button(page, "Start").click();
    await page.locator(".trace ol li").nth(4).waitFor({ timeout: LONG_MS });
    await shown(page);
    report.agent = (await ended(page)).state;
    await inspect(page, report, "agent run");
    await open(page, "assistant");
    await tab(page, "Words");
    await page.getByLabel("Your idea").fill("something that holds pens");
    await button(page, "Find words").click();
    await page.locator(".answer-text").waitFor();
    report.idea = await page.locator(".answer-text").innerText();
    await page.getByLabel("Question").fill("Which printer?");
    await choose(page, "In steps");
    await button(page, "Ask").click();
    await page.locator(".answer").nth(1).waitFor({ timeout: LONG_MS });
    await inspect(page, report, "questions");
    await tab(page, "Code");
    await page.getByRole("textbox", { name: "Code", exact: true }).fill("import os\n\ndef area(radius):\n    return radius\n");
    await button(page, "Look over").click();
    await page.getByText("Score", { exact: false }).first().waitFor({ timeout: LONG_MS });
    report.findings = await page.locator(".plain-list").innerText();
    await page.getByLabel("Error message").fill("NameError: pi");
    await button(page, "Explain the error").click();
    await page.getByText("Explanation").waitFor({ timeout: LONG_MS });
    await page.getByLabel("What it should do").fill("print hello");
    await button(page, "Write code").click();
    await page.locator(".code-block").waitFor({ timeout: LONG_MS });
    await inspect(page, report, "code");
  },

  async system(page, report) {
    await open(page, "system");
    await page.locator(".workers li").first().waitFor();
    await button(page, "Test the connection").click();
    await page.getByText("There and back").waitFor();
    await page.getByRole("combobox", { name: "Profile" }).selectOption("ultra");
    await button(page, "Turn on").click();
    await page.locator(".card .badge", { hasText: "Ultra" }).waitFor();
    report.enabled = (await (await page.request.get(`${base}/api/ultra-performance/status`)).json()).enabled;
    await unfold(page, "Settings");
    await page.getByLabel("Step down when memory is short").check();
    await button(page, "Save settings").click();
    await page.waitForResponse((answer) => answer.url().endsWith("/config") && answer.request().method() === "GET");
    await button(page, "Turn off").click();
    await page.locator(".card .badge", { hasText: "off" }).waitFor();
    await unfold(page, "models that can be installed");
    report.models = await page.locator(".models .more-body li, details .models li").count();
    await button(page, "Clear").first().click();
    await page.getByText("freed.").waitFor();
    await inspect(page, report, "system");
  },

  async library(page, report) {
    await open(page, "library");
    await page.locator(".job-card").first().waitFor();
    await inspect(page, report, "library");
    report.before = await page.locator(".job-card").count();
    await page.getByLabel("Search").fill("star");
    report.star = await until(() => page.locator(".job-name").allInnerTexts(), (names) => names.length < report.before);
    await page.getByLabel("Search").fill("");
    await until(() => page.locator(".job-card").count(), (count) => count === report.before);
    await page.getByLabel("Tag").selectOption("kitchen");
    report.tagged = await until(() => page.locator(".job-name").allInnerTexts(), (names) => names.length > 0 && names.length < report.before);
    await page.getByLabel("Tag").selectOption("");
    await until(() => page.locator(".job-card").count(), (count) => count === report.before);
    await button(page, "Select").click();
    await page.locator(".pick input").first().check();
    await button(page, "Delete").click();
    await page.getByRole("dialog").waitFor();
    await inspect(page, report, "deletion");
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    report.after = await until(() => page.locator(".job-card").count(), (count) => count < report.before);
  },

  // The shell without a server, and that data never comes from a cache.
  async offline(page, report) {
    await open(page, "");
    await page.evaluate(async () => (await navigator.serviceWorker.ready).active);
    await page.reload({ waitUntil: "domcontentloaded" });
    report.controlled = await page.evaluate(() => navigator.serviceWorker.controller !== null);
    await page.evaluate(() => fetch("/api/v1/jobs").then((answer) => answer.json()));
    report.cached = await page.evaluate(async () => {
      const found = [];
      for (const name of await caches.keys()) {
        for (const request of await (await caches.open(name)).keys()) found.push(new URL(request.url).pathname);
      }
      return found;
    });
    await page.context().setOffline(true);
    await page.reload({ waitUntil: "domcontentloaded" });
    await page.getByRole("heading", { name: "Make a 3D model" }).waitFor();
    await page.getByText("The server does not answer.").waitFor();
    report.data = await page.evaluate(() => fetch("/api/v1/jobs").then(() => "an answer", () => "none"));
    await page.context().setOffline(false);
    await page.getByText("The server does not answer.").waitFor({ state: "detached" });
    await page.getByText("Takes Built-in here.").waitFor();
  },

  // What the first view weighs and how soon it can be used, on a machine with two cores and an empty cache.
  async budget(page, report) {
    const bodies = [];
    page.on("response", (answer) => bodies.push(answer.body().then((body) => [new URL(answer.url()).pathname, gzipSync(body).length, body.length], () => null)));
    const start = Date.now();
    await page.goto(base + "/");
    await page.locator("#drop").waitFor();
    await page.getByRole("button", { name: "Choose pictures" }).click({ trial: true });
    report.usable_ms = Date.now() - start;
    report.interactive_ms = await page.evaluate(() => performance.getEntriesByName("studio-interactive")[0].startTime);
    await page.waitForLoadState("networkidle");
    report.bodies = (await Promise.all(bodies)).filter((one) => one && !one[0].startsWith("/icons/"));
    report.marks = await page.evaluate(() => {
      const [{ domInteractive, loadEventEnd }] = performance.getEntriesByType("navigation");
      return { domInteractive, loadEventEnd };
    });
  },

  // The widths of phones, tablets and wide screens: nothing sticks out.
  async widths(page, report) {
    report.wide = [];
    for (const width of [320, 390, 768, 1024, 1920]) {
      await page.setViewportSize({ width, height: 844 });
      for (const view of ["create", "library", "check", "assistant", "system"]) {
        await open(page, view);
        await page.locator("h1").waitFor();
        await page.waitForTimeout(400);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (over > 0) report.wide.push(`${view} at ${width}: ${over} px`);
      }
    }
  },

  // Without a mouse: to the picture, to the button, through the tabs.
  async keyboard(page, report) {
    await open(page, "");
    await page.locator("#drop").waitFor();
    await page.keyboard.press("Tab");
    report.first = await page.evaluate(() => document.activeElement.textContent);
    await page.keyboard.press("Enter");
    report.skipped = await page.evaluate(() => document.activeElement.id);
    await open(page, "assistant");
    await page.getByRole("tab", { name: "Agents" }).focus();
    await page.keyboard.press("ArrowRight");
    report.tab = await page.evaluate(() => [document.activeElement.textContent, document.activeElement.getAttribute("aria-selected")]);
    const themes = [];
    for (let turn = 0; turn < 3; turn += 1) {
      await page.getByRole("button", { name: /^Theme/ }).focus();
      await page.keyboard.press("Enter");
      await page.waitForTimeout(300);
      themes.push(await page.evaluate(() => [document.documentElement.dataset.theme ?? "system", getComputedStyle(document.body).backgroundColor]));
    }
    report.themes = themes;
  },

  // How fast 200 000 triangles turn.
  async frames(page, report) {
    await page.setViewportSize({ width: 1280, height: 720 });
    await page.addInitScript(() => addEventListener("viewer", (event) => (window.viewer = event.detail)));
    await open(page, `check/${readFileSync(join(folder, "asset"), "utf8")}`);
    await shown(page);
    await page.locator(".verdict").waitFor({ timeout: LONG_MS }); // its analysis would share the processor
    report.size = await page.locator(".stage-size").innerText();
    report.frames_per_second = await page.evaluate(() => window.viewer.measure(4000));
    report.drawn = await page.evaluate(() => window.viewer.drawn);
    report.renderer = await page.evaluate(() => {
      const gl = document.createElement("canvas").getContext("webgl2");
      return gl.getParameter(gl.getExtension("WEBGL_debug_renderer_info").UNMASKED_RENDERER_WEBGL);
    });
  },
};

(async () => {
  const report = { ...emptyReport(), inspected: [], violations: [] };
  const browser = await chromium.launch({ executablePath, args: [...SOFTWARE_3D, ...QUIET] });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce" });
    page.setDefaultTimeout(30_000);
    await watch(page, report, base);
    await TASKS[task](page, report).catch(async (error) => {
      await page.screenshot({ path: join(folder, `${task}.png`), fullPage: true });
      console.error(`${task} at ${page.url()}, ${join(folder, `${task}.png`)}\n${report.complaints.join("\n")}`);
      throw error;
    });
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(report));
})().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
