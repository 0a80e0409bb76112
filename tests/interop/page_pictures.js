// usage: node page_pictures.js URL DIR FOLDER: FOLDER/page.png is the first screen, light;
// FOLDER/page-trace.png a slow trace, dark.
"use strict";

const path = require("path");
const reader = require("./page_reader");

async function main(url, dir, folder) {
  const { context, page } = await reader.open(dir, { width: 1280, height: 1010 });
  try {
    await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
    await page.goto(url);
    await page.locator("#routes table").waitFor();
    await page.screenshot({ path: path.join(folder, "page.png") });

    await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
    await page.goto(`${url}?by=slowest`);
    await page.locator("table.traces tbody a", { hasText: "POST /analyze" }).first().click();
    await page.locator("table.waterfall").waitFor();
    await page.locator("tr.log", { hasText: "chaos_injected" }).locator("summary").click();
    await page.locator("#traces").screenshot({ path: path.join(folder, "page-trace.png") });
  } finally {
    await context.close();
  }
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
