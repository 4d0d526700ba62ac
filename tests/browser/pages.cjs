// Uses the pages of a running server as a person would, in Chromium, and prints what happened as one line of JSON.
// Arguments: the node_modules folder, Chromium, what to do, the server's URL, a photo, a folder for downloads.
const [modules, executablePath, task, base, photo, folder] = process.argv.slice(2);
const { chromium } = require(modules + "/playwright-core");
const { basename, join } = require("path");
const { readFileSync } = require("fs");

const QUIET = [
  "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
];

// What the browser complains about, and every request to another server.
function watch(page, report) {
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) report.complaints.push(`${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => report.complaints.push(String(error)));
  page.on("requestfailed", (request) => report.failed.push(`${request.url()} ${request.failure().errorText}`));
  page.on("request", (request) => {
    report.requests += 1;
    if (!request.url().startsWith(base + "/") && !/^(blob|data):/.test(request.url())) report.foreign.push(request.url());
  });
  return page.addInitScript(() => document.addEventListener("securitypolicyviolation", (event) => {
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
  }));
}

async function save(page, link) {
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  const path = join(folder, download.suggestedFilename());
  await download.saveAs(path);
  return path;
}

// 'Try it out' and Execute of one operation of Swagger UI.
async function execute(page, method, path, values = {}, file = null) {
  const document = await (await page.request.get(`${base}/openapi.json`)).json();
  const section = page.locator(`#operations-tag-${document.paths[path][method].tags[0]}`);
  if ((await section.getAttribute("data-is-open")) !== "true") await section.click();
  const operation = page.locator(`.opblock-${method}`).filter({ has: page.locator(`[data-path="${path}"]`) });
  if (!(await operation.getAttribute("class")).includes("is-open")) {
    await operation.locator(".opblock-summary-control").click();
    await operation.getByRole("button", { name: "Try it out" }).click();
  }
  for (const [name, value] of Object.entries(values)) {
    const field = operation.locator(`[data-param-name="${name}"], [data-property-name="${name}"]`).locator("input[type=text], select");
    await (await field.evaluate((found) => found.tagName) === "SELECT" ? field.selectOption(value) : field.fill(value));
  }
  if (file) await operation.locator("input[type=file]").setInputFiles(file);
  const [response] = await Promise.all([
    page.waitForResponse((answer) => answer.request().method() === method.toUpperCase()),
    operation.locator(".execute").click(),
  ]);
  const shown = operation.locator(".live-responses-table tbody .response-col_status");
  await shown.getByText(String(response.status())).waitFor();
  return { operation, status: response.status(), answer: await response.json().catch(() => null) };
}

async function until(read, isFinal) {
  for (;;) {
    const { answer } = await read();
    if (isFinal(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const TASKS = {
  async v1(page, report) {
    await page.goto(base + "/docs");
    const { status, answer } = await execute(page, "post", "/api/v1/generations", { quality: "2" }, photo);
    const job_id = answer.id;
    const job = await until(
      () => execute(page, "get", "/api/v1/jobs/{job_id}", { job_id }), (found) => !["queued", "running"].includes(found.state),
    );
    const result = await execute(page, "get", "/api/v1/jobs/{job_id}/result", { job_id, download: "true" });
    const model = await save(page, result.operation.getByRole("link", { name: "Download file" }));
    Object.assign(report, { status, state: job.state, model });
  },

  async compatible(page, report) {
    await page.goto(base + "/docs");
    const { status, answer } = await execute(page, "post", "/api/generate", { quality: "2", format: "glb" }, photo);
    const { job_id } = answer;
    const job = await until(
      () => execute(page, "get", "/api/job-status/{job_id}", { job_id }), (found) => found.status !== "processing",
    );
    const filename = job.output_file;
    const result = await execute(page, "get", "/api/download/{job_id}/{filename}", { job_id, filename });
    const model = await save(page, result.operation.getByRole("link", { name: "Download file" }));
    Object.assign(report, { status, state: job.state, model });
  },

  async studio(page, report) {
    await page.goto(base + "/");
    await page.evaluate(() => {
      const stage = document.getElementById("stage");
      window.stages = [];
      new MutationObserver(() => window.stages.push(stage.textContent)).observe(stage, { childList: true });
    });
    await page.setInputFiles("#photo", photo);
    await page.locator("#chosen").waitFor();
    await page.locator("[name=quality]").fill("8");
    await page.getByRole("button", { name: "Make the model" }).click();
    await page.locator("#result").waitFor();
    await page.waitForFunction(() => document.getElementById("preview").naturalWidth > 0);
    report.stages = await page.evaluate(() => window.stages);
    report.measures = await page.locator("#measures").innerText();
    report.models = {};
    for (const link of await page.locator("#links a").all()) {
      report.models[(await link.innerText()).split(" ")[0]] = await save(page, link);
    }
    await page.getByRole("link", { name: "API" }).click();
    await page.locator(".opblock-tag-section").first().waitFor();
  },

  async refused(page, report) {
    await page.goto(base + "/");
    const file = { name: basename(photo), bytes: [...readFileSync(photo)] };
    const dataTransfer = await page.evaluateHandle(({ name, bytes }) => {
      const dropped = new DataTransfer();
      dropped.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
      return dropped;
    }, file);
    await page.dispatchEvent("#drop", "drop", { dataTransfer });
    await page.getByRole("button", { name: "Make the model" }).click();
    report.problem = await page.getByRole("alert").innerText();
    report.ready = await page.getByRole("button", { name: "Make the model" }).isEnabled();
  },
};

(async () => {
  const report = { requests: 0, complaints: [], failed: [], foreign: [] };
  const browser = await chromium.launch({ executablePath, args: QUIET });
  try {
    const page = await browser.newPage();
    await watch(page, report);
    await TASKS[task](page, report);
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(report));
})();
