// A person with a browser before the agent's page: opens it, and keeps what nobody should see:
// errors on the console, breaches of the Content-Security-Policy, what axe-core finds.
"use strict";

const assert = require("assert");
const fs = require("fs");
const browser = require("../tools/browser");

const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };

// Each with a profile of its own, as if on another machine. `requests` are those made so far.
async function open(dir, viewport = DESKTOP) {
  const complaints = [];
  const context = await browser.open(fs.mkdtempSync(`${dir}/browser`), viewport, []);
  const page = context.pages()[0] || (await context.newPage());
  const requests = [];
  page.on("pageerror", (error) => complaints.push(`page error: ${error}`));
  page.on("console", (message) => {
    // A browser complains of each 404, and what is looked for need not be there.
    const found_nothing = /status of 404/.test(message.text()) && /[?&]find=/.test(message.location().url);
    if (message.type() === "error" && !found_nothing) complaints.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => requests.push(request.url()));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  return { context, page, complaints, requests };
}

// axe-core finds nothing, in light and dark; nothing reaches beyond a phone's edge.
async function check(page, what) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => window.axe.run());
    const found = violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.html} ${n.failureSummary}`));
    assert.deepStrictEqual(found, [], `axe-core, ${what}, ${colorScheme}`);
  }
  const before = page.viewportSize();
  await page.setViewportSize(PHONE);
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(beyond <= 0, `${what}: ${beyond} pixels beyond a phone's edge`);
  await page.setViewportSize(before);
}

async function eventually(what, condition) {
  const deadline = Date.now() + 120000;
  for (;;) {
    const seen = await condition();
    if (seen) return seen;
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

module.exports = { open, check, eventually, DESKTOP, PHONE };
