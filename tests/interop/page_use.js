// usage: node page_use.js WHAT URL DIR [ARGUMENT...]: uses the agent's page as a person does.
"use strict";

const assert = require("assert");
const fs = require("fs");
const reader = require("./page_reader");

const text = async (page, selector) => (await page.locator(selector).first().innerText()).trim();
const focused = (page) => page.evaluate(() => document.activeElement.outerHTML);

// Presses Tab until what has the focus is that.
async function tab_to(page, wanted) {
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press("Tab");
    if (wanted.test(await focused(page))) return;
  }
  throw new Error(`Tab never reached ${wanted}`);
}

const uses = {
  // Finds the slow request just made, reads why, and sends the link to somebody.
  async slow({ page, url, dir, requests }, request) {
    await page.goto(url);
    await page.getByRole("link", { name: "Slowest" }).click();
    await page.locator("table.traces tbody a").first().click();
    await page.locator("table.waterfall").waitFor();
    assert.match(await text(page, "#traces .summary"), new RegExp(request));
    assert.match(await text(page, "table.waterfall"), /WorkerService\.analyze[^]*chaos_injected/);
    await page.locator("tr.log", { hasText: "chaos_injected" }).locator("summary").click();
    assert.match(await text(page, "table.waterfall"), /delay_ms/);
    await reader.check(page, "waterfall");
    assert.strictEqual(requests.filter((r) => new URL(r).pathname === "/" && !r.includes("part=")).length, 1);

    const link = page.url();
    assert.match(link, /trace=[0-9a-f]{32}/);
    const colleague = await reader.open(dir);
    await colleague.page.goto(link);
    assert.match(await text(colleague.page, "#traces .summary"), new RegExp(request));
    await colleague.context.close();
    assert.deepStrictEqual(colleague.complaints, []);

    await page.goBack();
    await page.locator("table.traces").waitFor();
    assert.match(page.url(), /by=slowest/);
    await reader.check(page, "list");
    await page.goForward();
    await page.locator("table.waterfall").waitFor();
  },

  async search({ page, url, complaints }, request) {
    await page.goto(url);
    await page.keyboard.press("/");
    await page.keyboard.type(request);
    await page.keyboard.press("Enter");
    await page.locator("#traces .summary, table.traces a").first().waitFor();
    assert.match(await text(page, "#traces"), new RegExp(`${request}|POST /analyze`));
    assert.match(page.url(), new RegExp(`find=${request}`));

    await page.locator("#find").fill("no-such-request");
    await page.keyboard.press("Enter");
    await page.locator("#traces .answer.nothing").waitFor();
    await reader.check(page, "nothing found");

    // A way that is cut is told of, and can be tried again.
    await page.route(/part=traces/, (route) => route.abort());
    await page.getByRole("link", { name: "Latest" }).click();
    assert.match(await text(page, "#traces .failed"), /can't be shown: the agent can't be reached/);
    await reader.check(page, "cut");
    complaints.length = 0;
    await page.unroute(/part=traces/);
    await page.getByRole("link", { name: "Try again" }).click();
    await page.locator("table.traces").waitFor();
    assert.strictEqual(await page.locator("#traces .failed").count(), 0);
  },

  // While load runs: figures come by themselves, and what somebody has opened stays so.
  async rate({ page, url }) {
    await page.goto(url);
    const tile = ".tile:first-child dd b";
    const table = page.locator("#rates details");
    await table.locator("summary").click();
    await page.locator("#rates summary").focus();
    await reader.eventually("the rate moves", async () => parseFloat(await text(page, tile)) > 3);
    const first = await text(page, "#verdict time");
    await reader.eventually("the next sample", async () => (await text(page, "#verdict time")) !== first);
    assert.strictEqual(await table.getAttribute("open"), "");
    assert.match(await focused(page), /^<summary/);
    assert.match(await text(page, "#routes"), /POST \/analyze/);
    assert.match(await page.title(), /\u00b7 MicroTrace$/);
    await reader.check(page, "overview");
  },

  // Reads on the page what is wrong, and what mends it. DIR/pull and DIR/plugged tell the test.
  async plug({ page, url, dir }) {
    await page.goto(url);
    const level = () => page.locator("#verdict").getAttribute("class");
    await reader.eventually("well", async () => (await level()) === "well");
    fs.writeFileSync(`${dir}/pull`, "");
    await reader.eventually("told", async () => (await level()) !== "well");
    const problem = await text(page, "#verdict .problems");
    fs.writeFileSync(`${dir}/problem`, problem);
    assert.match(problem, /127\.0\.0\.1/);
    assert.ok((await page.locator("#verdict .mend code").count()) > 0, problem);
    assert.match(await text(page, "#said"), /\w/);
    await reader.check(page, "broken");
    fs.writeFileSync(`${dir}/plugged`, "");
    await reader.eventually("well again", async () => (await level()) === "well");
  },

  // Rows come, go and move, and two have one key, as two containers' processes of one pid have.
  async rows({ page, url }) {
    const answers = [
      [["7", "a"], ["7", "b"], ["8", "c"]],
      [["9", "new"], ["8", "c"], ["7", "a"], ["7", "b"]],
      [["8", "c"], ["9", "new"]],
      [["7", "a"], ["9", "new"], ["10", "newer"], ["8", "c"]],
    ];
    let turn = 0; // the answer that is given until it has been seen
    await page.route(/\/live/, async (route) => {
      const answer = await route.fetch().catch(() => null);
      if (!answer) return; // the browser is closed
      const rows = answers[turn].map(
        ([key, name]) => `<tr data-key="${key}"><td>${name} ${turn}</td></tr>`,
      );
      const body = (await answer.text()).replace(
        /<section id="processes">[^]*?<\/section>/,
        `<section id="processes"><table><tbody>${rows.join("")}</tbody></table></section>`,
      );
      await route.fulfill({ response: answer, body });
    });
    await page.goto(url);
    for (const [at, rows] of answers.entries()) {
      turn = at;
      await reader.eventually(`answer ${at}`, async () => {
        const cells = (await page.locator("#processes td").allInnerTexts()).map((cell) => cell.trim());
        return cells.join() === rows.map(([, name]) => `${name} ${at}`).join();
      });
    }
    await page.unrouteAll({ behavior: "ignoreErrors" });
  },

  async keyboard({ page, url }) {
    await page.goto(url);
    await page.keyboard.press("Tab");
    assert.match(await focused(page), /class="skip"/);
    await page.keyboard.press("Enter");
    await reader.eventually("skipped", async () => /^<section id="verdict"/.test(await focused(page)));
    await tab_to(page, /^<button[^>]*>5xx</);
    const head = page.locator("#routes th", { hasText: "5xx" });
    await page.keyboard.press("Enter");
    assert.strictEqual(await head.getAttribute("aria-sort"), "descending");
    await page.keyboard.press("Space");
    assert.strictEqual(await head.getAttribute("aria-sort"), "ascending");
    await page.keyboard.press("s");
    assert.strictEqual(await head.getAttribute("aria-sort"), "none");
    assert.strictEqual(await page.locator("#routes th", { hasText: "p95" }).getAttribute("aria-sort"), "descending");

    for (const [key, minutes] of [["2", "15"], ["3", "60"], ["1", "5"]]) {
      await page.keyboard.press(key);
      await page.locator(`.ranges a[data-minutes="${minutes}"][aria-current]`).waitFor();
      assert.match(page.url(), new RegExp(`minutes=${minutes}`));
      await page.locator("#rates .times", { hasText: `${minutes} min ago` }).waitFor();
    }
    await page.keyboard.press("?");
    await page.locator("dialog[open]").waitFor();
    await reader.check(page, "keys");
    await page.keyboard.press("Escape");
    await page.locator("dialog:not([open])").waitFor({ state: "attached" });

    await tab_to(page, /^<a [^>]*by=latest/);
    await page.keyboard.press("Enter");
    await page.locator("table.traces").waitFor();
    assert.match(await focused(page), /^<h[23]/);
    await tab_to(page, /^<a [^>]*trace=/);
    await page.keyboard.press("Enter");
    await page.locator("table.waterfall").waitFor();

    // Who can't have single keys turns them off.
    await page.keyboard.press("?");
    await page.locator("#keys-on").focus();
    await page.keyboard.press("Space");
    await page.keyboard.press("Escape");
    await page.keyboard.press("p");
    assert.strictEqual(await page.locator("#pause").innerText(), "Pause");
  },

  // Neither a tab that nobody sees nor a paused page asks for anything.
  async quiet({ page, url, requests }) {
    const hide = (hidden) =>
      page.evaluate((value) => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
        document.dispatchEvent(new Event("visibilitychange"));
      }, hidden);
    const asks = async (what, wanted) => {
      await page.waitForTimeout(500);
      const before = requests.length;
      if (wanted) await reader.eventually(what, () => requests.length > before);
      else await page.waitForTimeout(7000);
      if (!wanted) assert.strictEqual(requests.length, before, what);
    };
    await page.goto(url);
    await asks("live", true);
    await hide(true);
    await asks("hidden", false);
    await hide(false);
    await asks("seen again", true);
    await page.keyboard.press("p");
    assert.match(await text(page, "#said"), /^Paused: these figures are of [0-9:]+ UTC/);
    await asks("paused", false);
    await reader.check(page, "paused");
    await page.keyboard.press("p");
    await asks("going on", true);
    assert.strictEqual(await text(page, "#pause"), "Pause");
  },

  // DIR/stop and DIR/go on tell the test to stop the agent and to let it go on.
  async stale({ page, url, dir, complaints }) {
    await page.goto(url);
    await page.locator("#verdict time").waitFor();
    fs.writeFileSync(`${dir}/stop`, "");
    await page.locator("html.stale").waitFor({ timeout: 120000 });
    assert.match(await text(page, "#said"), /^Stale: these figures are of [0-9:]+ UTC; the agent did not answer/);
    await reader.check(page, "stale");
    fs.writeFileSync(`${dir}/go`, "");
    await page.locator("html:not(.stale)").waitFor({ timeout: 120000 });
    assert.strictEqual(await page.locator("#said").innerText(), "");
    complaints.length = 0; // of requests that were not answered
  },

  // A span whose every text is markup, and reverses what stands beside it.
  async hostile({ page, url }) {
    for (const by of ["latest", "errors"]) {
      await page.goto(`${url}?by=${by}`);
      const link = page.locator("table.traces tbody a", { hasText: "<script>" });
      assert.strictEqual(await link.first().innerText(), "<script>x()</script>\\u202e\"'");
      await reader.check(page, `hostile ${by}`);
    }
    await page.locator("table.traces tbody a", { hasText: "<script>" }).first().click();
    await page.locator("table.waterfall").waitFor();
    for (const summary of await page.locator("table.waterfall summary").all()) await summary.click();
    assert.match(await text(page, "table.waterfall"), /<b onclick=x\(\)>/);
    assert.strictEqual(await page.locator("main script, main b[onclick], main img").count(), 0);
    await reader.check(page, "hostile waterfall");
    await page.goto(`${url}?find=${encodeURIComponent("\"><script>x()</script>")}`);
    await page.locator("#traces .answer").first().waitFor();
    await reader.check(page, "hostile search");
  },

  // Of URL's pages each: what made-up instances look like, hostile ones too.
  async look({ page, url }, ...names) {
    for (const name of names) {
      await page.goto(`${url}/${name}`);
      await reader.check(page, name);
      await page.screenshot({ path: `${process.argv[4]}/${name}.png`, fullPage: true });
    }
  },
};

async function main(what, url, dir, ...args) {
  const open = await reader.open(dir);
  try {
    await uses[what]({ ...open, url, dir }, ...args);
    assert.deepStrictEqual(open.complaints, []);
  } catch (error) {
    await open.page.screenshot({ path: `${dir}/failed.png`, fullPage: true }).catch(() => {});
    throw error;
  } finally {
    await open.context.close();
  }
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
