// Uses the pages of a running server as a person would, in Chromium, and prints what happened as one line of JSON.
// Arguments: the node_modules folder, Chromium, what to do, the server's URL, a photo, a folder for downloads.
const [modules, executablePath, task, base, photo, folder] = process.argv.slice(2);
const { chromium } = require(modules + "/playwright-core");
const { QUIET, emptyReport, save, watch } = require("./common.cjs");

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
    const model = await save(page, result.operation.getByRole("link", { name: "Download file" }), folder);
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
    const model = await save(page, result.operation.getByRole("link", { name: "Download file" }), folder);
    Object.assign(report, { status, state: job.state, model });
  },
};

(async () => {
  const report = emptyReport();
  const browser = await chromium.launch({ executablePath, args: ["--disable-gpu", ...QUIET] });
  try {
    const page = await browser.newPage();
    await watch(page, report, base);
    await TASKS[task](page, report);
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(report));
})();
