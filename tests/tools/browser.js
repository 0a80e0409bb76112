// The tests' browser: headless Chromium that talks to nobody but the pages it is given.
"use strict";

const path = require("path");
const { chromium } = require("playwright-core");

const PATIENCE = 120000; // milliseconds that it may take to start, and each thing in it to appear

// Opens one with its profile in dir. Returns the context; complaints collects what goes wrong in any
// of its pages.
async function open(dir, viewport, complaints) {
  const context = await chromium.launchPersistentContext(path.join(dir, "profile"), {
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    headless: true,
    timeout: PATIENCE,
    viewport,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  context.setDefaultTimeout(PATIENCE);
  context.on("page", (page) => {
    page.on("pageerror", (error) => complaints.push(`page error: ${error}`));
  });
  context.on("requestfailed", (r) => complaints.push(`failed: ${r.url()} ${r.failure().errorText}`));
  return context;
}

module.exports = { open };
