// What every driver of a page shares: the browser, what it complains about, and saving files.
const { join } = require("path");

const QUIET = [
  "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
];
// WebGL without a GPU; other pages are told to do without.
const SOFTWARE_3D = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"];

const emptyReport = () => ({ requests: 0, asked: [], complaints: [], failed: [], foreign: [] });

// What the browser complains about, every request, and those to another server.
function watch(page, report, base) {
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) report.complaints.push(`${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => report.complaints.push(String(error)));
  page.on("requestfailed", (request) => report.failed.push(`${request.url()} ${request.failure().errorText}`));
  page.on("request", (request) => {
    const url = request.url();
    report.requests += 1;
    if (url.startsWith(base + "/")) report.asked.push([request.method(), new URL(url).pathname]);
    else if (!/^(blob|data):/.test(url)) report.foreign.push(url);
  });
  return page.addInitScript(() => document.addEventListener("securitypolicyviolation", (event) => {
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
  }));
}

async function save(page, link, folder) {
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  const path = join(folder, download.suggestedFilename());
  await download.saveAs(path);
  return path;
}

module.exports = { QUIET, SOFTWARE_3D, emptyReport, watch, save };
