// usage: node grafana_page.js URL DIR DASHBOARD [PICTURE]
// What a newcomer does in Grafana, in headless Chromium: logs in, sees the dashboard come up with
// living panels, clicks on a slow point, on the trace that it offers, and there on its logs.
// Prints "ok WHAT" or "not ok WHAT" for each step, and "done". Leaves pictures of the pages in DIR;
// PICTURE is where to put one of the dashboard alone.
"use strict";

const fs = require("fs");
const path = require("path");
const browser = require("../tools/browser");

const PATIENCE = 180000; // milliseconds that anything may take to appear
const QUERIES = ["/api/ds/query", "/api/datasources/"];

let failed = false;

function report(good, what) {
  failed = failed || !good;
  console.log(good ? "ok" : "not ok", what);
}

async function within_patience(probe) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = await probe();
    if (found || Date.now() > end) return found;
    await new Promise((done) => setTimeout(done, 250));
  }
}

// Collects the queries of the page's panels that were not answered as they should.
function watch(page, complaints) {
  page.on("response", async (response) => {
    const url = new URL(response.url());
    if (!QUERIES.some((prefix) => url.pathname.startsWith(prefix))) return;
    if (response.status() >= 400) {
      complaints.push(`${response.status()} ${url.pathname} ${response.request().postData() || url.search}`);
      return;
    }
    const text = await response.text().catch(() => "");
    if (/"error":"/.test(text)) complaints.push(`${url.pathname}: ${text.slice(0, 300)}`);
  });
}

function panel(page, title) {
  return page.getByTestId(`data-testid Panel header ${title}`);
}

// The marker of the slowest point that is shown.
async function slowest(markers) {
  const boxes = [];
  for (const marker of await markers.all()) boxes.push(await marker.boundingBox({ timeout: 2000 }).catch(() => null));
  return boxes.filter(Boolean).sort((a, b) => a.y - b.y)[0];
}

// Points at the slowest request, and clicks on the trace that its details offer. A refresh closes these,
// also between the two: then once more.
async function open_slowest(page) {
  const link = page.getByRole("link", { name: "Open the trace" }).first();
  return within_patience(async () => {
    if (new URL(page.url()).pathname.includes("/explore")) return true;
    const box = await slowest(panel(page, "Latency p95").getByLabel("Exemplar marker"));
    if (!box) return false;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    return link.click({ timeout: 5000 }).then(() => true, () => false);
  });
}

async function dashboard(page, base, file, dir) {
  const titles = JSON.parse(fs.readFileSync(file, "utf-8"))
    .panels.filter((p) => p.type !== "row")
    .map((p) => p.title);
  await page.goto(`${base}/`, { waitUntil: "load" });
  let missing = [];
  const all = await within_patience(async () => {
    missing = [];
    for (const title of titles) if ((await panel(page, title).count()) === 0) missing.push(title);
    return missing.length === 0;
  });
  const but = missing.map((title) => `, but not ${title}`).join("");
  report(all, `Grafana opens with the dashboard, all ${titles.length} panels${but}`);
  const drawn = await within_patience(async () => (await page.locator("canvas").count()) >= 12);
  report(drawn, "its graphs are drawn");
  const rows = panel(page, "Slow or Failed Traces").getByRole("link");
  report(await within_patience(async () => (await rows.count()) > 0), "it lists slow traces, by Tempo");
  const lines = panel(page, "Logs").getByText("request_completed");
  report(await within_patience(async () => (await lines.count()) > 0), "it shows log lines, by Loki");
  const loading = page.getByLabel("Panel loading bar");
  report(await within_patience(async () => (await loading.count()) === 0), "no panel goes on loading");
  let mute = [];
  const told = await within_patience(async () => {
    mute = [];
    for (const title of titles) {
      if ((await panel(page, title).getByText("No data", { exact: true }).count()) > 0) mute.push(title);
    }
    return mute.length === 0;
  });
  report(told, `no panel is without a word of its own ${mute.join(", ")}`);
  const cut = await page.evaluate(clipped_legends);
  report(cut.length === 0, `no legend is cut off ${cut.join(", ")}`);
  const times = panel(page, "Slow or Failed Traces").getByText("no slow or failed");
  report((await times.count()) === 0, "no trace's time reads as if there were none");
  await page.screenshot({ path: path.join(dir, "dashboard.png"), fullPage: true });
}

// In the page: the names in legends that lie outside of what can be seen of their panel.
function clipped_legends() {
  const cut = [];
  for (const name of document.querySelectorAll('[data-testid^="data-testid VizLegend series"]')) {
    const box = name.getBoundingClientRect();
    for (let above = name.parentElement; above; above = above.parentElement) {
      if (getComputedStyle(above).overflowY === "visible") continue;
      if (above.scrollHeight > above.clientHeight + 1 && above.tagName !== "HTML" && box.bottom > above.getBoundingClientRect().bottom + 1) {
        cut.push(name.textContent);
      }
      if (above.tagName === "SECTION") break;
    }
  }
  return cut;
}

async function links(page, dir) {
  const opened = await open_slowest(page);
  report(opened, "a slow point offers its trace");
  if (!opened) return;
  const spans = page.getByTestId("span-view");
  const both = await within_patience(async () => (await spans.count()) === 2);
  report(both, "a click on it opens the trace, with the server's and the worker's span");
  const named = async (name) => (await page.getByText(name, { exact: true }).count()) > 0;
  report((await named("POST /analyze")) && (await named("WorkerService.analyze")), "which have their names");
  await spans.first().click();
  await page.getByText("Logs for this span").first().click();
  const completed = page.getByText("request_completed");
  const one = await within_patience(async () => (await completed.count()) === 1);
  report(
    one && (await page.getByText("analyze_request").count()) === 1,
    "a click in the trace shows its log lines, and no others",
  );
  const words = /INFO request_completed POST \/analyze 200 [\d.]+ ms/;
  report((await page.getByText(words).count()) === 1, "with level, status and milliseconds");
  await page.screenshot({ path: path.join(dir, "trace-and-logs.png"), fullPage: true });
}

async function main(base, dir, file, picture) {
  const complaints = [];
  const mishaps = [];
  fs.mkdirSync(dir, { recursive: true });
  const context = await browser.open(dir, { width: 1500, height: 3900 }, mishaps);
  try {
    const answer = await context.request.post(`${base}/login`, { data: { user: "admin", password: "admin" } });
    report(answer.status() === 200, "admin, admin logs in");
    const page = await context.newPage();
    watch(page, complaints);
    await dashboard(page, base, file, dir);
    if (picture) {
      const last = await panel(page, "Logs").boundingBox();
      await page.screenshot({ path: picture, clip: { x: 0, y: 80, width: 1500, height: last.y + last.height - 72 } });
    }
    await links(page, dir);
    // Requests that a click makes needless are given up: these are not faults of the page.
    const errors = mishaps.filter((text) => text.startsWith("page error"));
    report(errors.length === 0, `the pages are without errors ${errors.slice(0, 3).join("; ")}`);
    report(complaints.length === 0, `every query was answered ${complaints.slice(0, 3).join("; ")}`);
  } finally {
    await context.close();
  }
}

main(...process.argv.slice(2)).then(
  () => {
    console.log("done");
    process.exit(failed ? 1 : 0);
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
