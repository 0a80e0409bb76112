// usage: node docs_page.js URL DIR: opens /docs in headless Chromium, tries POST /analyze out and
// compares the answer shown. Leaves DIR/docs.png.
"use strict";

const assert = require("assert");
const path = require("path");
const browser = require("../tools/browser");

async function main(url, dir) {
  const complaints = [];
  const context = await browser.open(dir, { width: 1280, height: 1600 }, complaints);
  const page = await context.newPage();
  try {
    await page.goto(url, { waitUntil: "load" });
    const operation = page.locator(".opblock-post", { hasText: "/analyze" });
    await operation.locator(".opblock-summary").click();
    await operation.getByRole("button", { name: "Try it out" }).click();
    await operation.locator("textarea.body-param__text").fill('{"a": 10.5, "b": 3.5}');
    const answered = page.waitForResponse((r) => new URL(r.url()).pathname === "/analyze");
    await operation.getByRole("button", { name: "Execute" }).click();

    const response = await answered;
    assert.strictEqual(response.status(), 200);
    assert.ok((await response.allHeaders())["x-request-id"], "no X-Request-ID");
    const live = operation.locator(".live-responses-table");
    await live.locator(".response-col_status", { hasText: "200" }).first().waitFor();
    const shown = await live.locator(".response-col_description pre").first().innerText();
    assert.deepStrictEqual(JSON.parse(shown), { sum: 14, difference: 7 });
    assert.deepStrictEqual(complaints, []);
  } finally {
    await page.screenshot({ path: path.join(dir, "docs.png"), fullPage: true });
    await context.close();
  }
}

main(process.argv[2], process.argv[3]).catch((error) => {
  console.error(error);
  process.exit(1);
});
