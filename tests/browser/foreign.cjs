// Drives a page of another site in Chromium and prints what it returned as one line of JSON.
// Arguments: the node_modules folder, Chromium, the page's address, its function, an argument, a folder, photos.
const [modules, executablePath, address, task, argument, folder, ...photos] = process.argv.slice(2);
const { chromium } = require(modules + "/playwright-core");
const { join } = require("path");

const QUIET = [
  "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
];

(async () => {
  const report = { complaints: [] };
  const browser = await chromium.launch({ executablePath, args: QUIET });
  try {
    const page = await browser.newPage();
    page.on("pageerror", (error) => report.complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") report.complaints.push(`${message.text()} ${message.location().url}`);
    });
    await page.goto(address);
    if (photos.length) await page.setInputFiles("#photos", photos);
    report.result = await page.evaluate(([name, given]) => window[name](given), [task, argument]);
    const link = page.locator("#save");
    if (await link.isVisible()) {
      const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
      report.saved = join(folder, download.suggestedFilename());
      await download.saveAs(report.saved);
    }
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(report));
})();
