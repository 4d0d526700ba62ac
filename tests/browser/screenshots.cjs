// Pictures of every view of the studio of a running server, at three widths and in both themes, and a turntable.
// Arguments: the node_modules folder, Chromium, the server's URL, the folder of test files, one for the pictures, and
// 'turntable' where that alone is wanted.
const [modules, executablePath, base, data, folder, only] = process.argv.slice(2);
const { chromium } = require(modules + "/playwright-core");
const { join } = require("path");
const { QUIET, SOFTWARE_3D } = require("./common.cjs");

const WIDTHS = { 390: 844, 1024: 768, 1920: 1080 };
const LONG_MS = 120_000;
const TURN_FRAMES = 24;

async function shoot(page, name) {
  for (const [width, height] of Object.entries(WIDTHS)) {
    await page.setViewportSize({ width: Number(width), height });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(400);
      await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: !/workbench/.test(name) || width === "390" });
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
  console.log(name);
}

const go = (page, address) => page.goto(`${base}/#/${address}`);
const shown = (page) => page.locator("[data-shown]").waitFor({ timeout: LONG_MS });
const tab = (page, name) => page.getByRole("tab", { name, exact: true }).click();
const choose = (page, name) => page.getByRole("radio", { name, exact: true }).check({ force: true });
const press = (page, name) => page.getByRole("button", { name, exact: true }).first().click();

async function made(page, address) {
  await go(page, address);
  await page.getByRole("button", { name: "Make the model" }).click();
  await shown(page);
}

async function pictures(page) {
  await go(page, "");
  await page.locator(".steps").waitFor();
  await shoot(page, "create-first");
  await go(page, "library");
  await page.locator(".empty").waitFor();
  await shoot(page, "library-empty");

  await go(page, "");
  await page.locator("#photo").setInputFiles(join(data, "mug.png"));
  await page.locator(".forecast svg").waitFor();
  await shoot(page, "create-chosen");
  await page.locator("summary", { hasText: "Advanced" }).click();
  await shoot(page, "create-advanced");
  await page.getByRole("slider", { name: "Quality" }).fill("8");
  await page.getByRole("button", { name: "Make the model" }).click();
  await page.locator(".stage-list .now").waitFor();
  await shoot(page, "workbench-running");
  await shown(page);
  await page.locator(".tab-panel .facts").waitFor({ timeout: LONG_MS });
  await shoot(page, "workbench-details");
  await tab(page, "Look");
  await page.locator(".swatches").waitFor();
  await choose(page, "Ceramic");
  await shoot(page, "workbench-look");
  await choose(page, "Own");
  await tab(page, "Print");
  await page.locator(".verdict").waitFor({ timeout: LONG_MS });
  await choose(page, "Overhang");
  await shoot(page, "workbench-print");
  await choose(page, "Shaded");
  await tab(page, "Files");
  await page.locator(".download-size", { hasText: /B$/ }).nth(7).waitFor({ timeout: LONG_MS });
  await shoot(page, "workbench-files");

  for (const words of ["a red mug on a wooden table", "a gold gear with 24 teeth", "a small house next to a tree", "a snowman", "a tall glass vase, 120 mm"]) {
    await made(page, `create?way=words&prompt=${encodeURIComponent(words)}`);
  }
  await go(page, "create");
  await choose(page, "Words");
  await shoot(page, "create-words");
  await go(page, "");
  await choose(page, "Pictures");
  await page.locator("#photo").setInputFiles(["mug.png", "star.png", "figure.jpg"].map((name) => join(data, name)));
  await page.getByRole("button", { name: "Make 3 models" }).click();
  await page.getByText("3 of 3 are done.").waitFor({ timeout: LONG_MS });
  await page.waitForLoadState("networkidle");
  await shoot(page, "batch");
  await go(page, "library");
  await page.locator(".job-card").nth(5).waitFor();
  await shoot(page, "library");

  await go(page, "check");
  await page.locator(".job-card").first().waitFor();
  await shoot(page, "check");
  await page.locator("#mesh").setInputFiles(join(folder, "open.stl"));
  await page.locator(".verdict").waitFor({ timeout: LONG_MS });
  await shoot(page, "workbench-broken");
  await press(page, "Repair");
  await page.locator(".compare").waitFor({ timeout: LONG_MS });
  await page.locator(".verdict").waitFor({ timeout: LONG_MS });
  await shoot(page, "workbench-compare");

  await go(page, "assistant");
  await page.locator("table").waitFor();
  await shoot(page, "assistant-agents");
  await page.locator("#agent-photo").setInputFiles(join(data, "star.png"));
  await press(page, "Start");
  await shown(page);
  await page.locator(".trace").waitFor();
  await shoot(page, "agent-run");
  await go(page, "assistant");
  await tab(page, "Words");
  await shoot(page, "assistant-words");
  await tab(page, "Code");
  await page.getByRole("textbox", { name: "Code", exact: true }).fill("import os\n\ndef area(radius):\n    return 3.14 * radius ** 2\n");
  await press(page, "Look over");
  await page.locator(".plain-list").waitFor({ timeout: LONG_MS });
  await shoot(page, "assistant-code");
  await go(page, "system");
  await page.locator(".workers").waitFor();
  await page.locator(".bars").waitFor();
  await shoot(page, "system");

  await go(page, "");
  await page.locator("#photo").setInputFiles(join(folder, "words.png"));
  await page.getByRole("alert").waitFor();
  await shoot(page, "create-refused");
  await page.context().setOffline(true);
  await go(page, "library");
  await page.locator(".unreachable").waitFor();
  await shoot(page, "unreachable");
  await page.context().setOffline(false);
}

// Frames of a whole turn of a model, as the viewer draws them.
async function turntable(page) {
  await page.setViewportSize({ width: 1440, height: 860 });
  await page.addInitScript(() => addEventListener("viewer", (event) => (window.viewer = event.detail)));
  await go(page, "");
  await page.reload();
  await page.locator("#photo").setInputFiles(join(data, "mug.png"));
  await page.getByRole("slider", { name: "Quality" }).fill("8");
  await page.locator(".forecast svg").waitFor();
  await page.getByRole("button", { name: "Make the model" }).click();
  await shown(page);
  await tab(page, "Print");
  await page.locator(".verdict").waitFor({ timeout: LONG_MS });
  await page.waitForTimeout(1500);
  await page.screenshot({ path: join(folder, "studio.png") });
  await page.evaluate(() => document.querySelectorAll(".stage > :not(.stage-canvas)").forEach((found) => (found.style.visibility = "hidden")));
  const stage = await page.locator(".stage").boundingBox();
  const side = Math.min(stage.width, stage.height);
  const clip = { x: stage.x + (stage.width - side) / 2, y: stage.y + (stage.height - side) / 2, width: side, height: side };
  for (let frame = 0; frame < TURN_FRAMES; frame += 1) {
    await page.evaluate((step) => window.viewer.nudge(step, 0), (2 * Math.PI) / TURN_FRAMES);
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    await page.screenshot({ path: join(folder, `turn-${String(frame).padStart(2, "0")}.png`), clip });
  }
  console.log("turntable");
}

(async () => {
  const browser = await chromium.launch({ executablePath, args: [...SOFTWARE_3D, ...QUIET] });
  try {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce" });
    page.setDefaultTimeout(60_000);
    if (only !== "turntable") await pictures(page);
    await turntable(page);
  } finally {
    await browser.close();
  }
})().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
