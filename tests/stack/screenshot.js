// usage: node screenshot.js GRAFANA-URL DIR PICTURE
// What somebody sees who opens Grafana: the dashboard's first screen, 1500 by 1000 pixels, of the last
// ten minutes, in headless Chromium with its profile in DIR. Exit status 1 unless all that is seen has been loaded.
"use strict";

const browser = require("../tools/browser");

const PATIENCE = 60000; // milliseconds that loading may take

async function main(base, dir, picture) {
  const context = await browser.open(dir, { width: 1500, height: 1000 }, []);
  try {
    await context.request.post(`${base}/login`, { data: { user: "admin", password: "admin" } });
    const page = await context.newPage();
    await page.goto(`${base}/?from=now-10m&to=now`, { waitUntil: "load" });
    await page.locator("canvas").nth(5).waitFor({ timeout: PATIENCE });
    const end = Date.now() + PATIENCE;
    while ((await page.getByLabel("Panel loading bar").count()) > 0 && Date.now() < end) {
      await page.waitForTimeout(250);
    }
    // Whatever the pointer is over would open its details.
    await page.mouse.move(750, 990);
    await page.waitForTimeout(1500);
    await page.screenshot({ path: picture });
  } finally {
    await context.close();
  }
}

main(...process.argv.slice(2)).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
