// What the page's script adds to a document that needs none: fresh figures, traces without a reload,
// keys, sorting. Everything it shows was made, and escaped, by the agent.
"use strict";

(() => {
  const STALE_MS = 15000; // without an answer; the agent gives one within 10 s
  const RETRY_MS = [500, 1000, 2000, 5000];
  const KEYS = "microtrace.keys";
  const ICONS = { well: "%231d9a52", warning: "%23d09a10", wrong: "%23d3232b" };
  const by = (id) => document.getElementById(id);
  const here = () => new URL(location.href);

  const first = current_range(); // of an address without one
  let minutes = here().searchParams.get("minutes") || first;
  let paused = false;
  let answered = Date.now(); // when the agent last did
  let trouble = ""; // why it did not since
  let poll = null; // aborts the one under way
  let loops = 0; // only the last one started goes on
  let sorts = {}; // by section: the column and direction that somebody chose
  let spoken = "";

  function current_range() {
    const link = document.querySelector(".ranges [aria-current]");
    return link ? link.dataset.minutes : "5";
  }

  const wait = (ms) => new Promise((done) => setTimeout(done, ms));

  function words(error) {
    if (error.name === "TimeoutError" || error.name === "AbortError") return "the agent did not answer in time";
    if (error instanceof TypeError) return "the agent can't be reached: it has ended, or the way to it is cut";
    return error.message;
  }

  async function get(url, ms, signal) {
    const signals = [AbortSignal.timeout(ms)].concat(signal || []);
    const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.any(signals) });
    const text = await answer.text();
    // Sections that say what is wrong come with another status, too.
    if (!answer.ok && !text.includes("<section"))
      throw new Error(`the agent answered ${answer.status} ${answer.statusText || ""}`.trim());
    return new DOMParser().parseFromString(text, "text/html");
  }

  // --- Showing ---------------------------------------------------------------------------------

  // Makes `old` like `fresh` and touches nothing that is alike: focus, selection, scroll positions
  // and open <details> stay.
  function sync(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) return void old.replaceWith(fresh);
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    if (old.isEqualNode(fresh)) return;
    for (const { name } of [...old.attributes])
      if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes)
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    const keyed = new Map();
    for (const child of old.children)
      if (child.dataset.key && !keyed.has(child.dataset.key)) keyed.set(child.dataset.key, child);
    let at = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const key = child.dataset && child.dataset.key;
      const same = key ? keyed.get(key) : null;
      keyed.delete(key); // two may have one key: pids of two containers, names that were cut alike
      if (same && same !== at) old.insertBefore(same, at);
      // One that is new is not made of another's, which may come behind it.
      const target = same || (key ? null : at);
      if (!target) {
        old.insertBefore(child, at);
        continue;
      }
      at = target.nextSibling;
      sync(target, child);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  function replace(fresh) {
    const old = by(fresh.id);
    const focus = document.activeElement;
    dress(fresh);
    if (!old) return void document.querySelector("main").append(fresh);
    sync(old, fresh);
    // A row that moved has lost it.
    if (focus && focus !== document.activeElement && old.contains(focus)) focus.focus({ preventScroll: true });
  }

  function show(parsed) {
    for (const section of [...parsed.querySelectorAll("section[id]")])
      if (section.id !== "traces") replace(document.adoptNode(section));
    title();
  }

  // The tab tells how it is; a screen reader is told when that changes, not every figure.
  function title() {
    const verdict = by("verdict");
    if (!verdict) return;
    const sentence = verdict.querySelector("h1 span:last-child").textContent;
    const level = verdict.className;
    document.title = `${verdict.querySelector("h1 .sign").textContent} ${sentence} \u00b7 MicroTrace`;
    const icon = document.querySelector("link[rel=icon]");
    if (icon.dataset.level !== level) {
      icon.dataset.level = level;
      icon.href = icon.href.replace(/fill='[^']*'/, `fill='${ICONS[level]}'`);
    }
    const problems = [...verdict.querySelectorAll(".problems li > p:first-child")].map((p) => p.textContent);
    const changed = [level, ...problems].join("|").replace(/[\d.,]+/g, "#");
    if (spoken !== "" && spoken !== changed) say(`${sentence}. ${problems.join(". ")}`, true);
    spoken = changed;
  }

  // What the live region says. What is only for ears is not shown.
  function say(text, unseen) {
    const said = by("said");
    said.className = unseen ? "unseen" : "";
    if (said.textContent !== text) said.textContent = text;
  }

  function state() {
    const stale = !document.hidden && !paused && Date.now() - answered > STALE_MS;
    const was = document.documentElement.classList.contains("stale");
    document.documentElement.classList.toggle("stale", stale);
    const time = document.querySelector("#verdict time");
    const of = time ? time.textContent : "an earlier moment";
    if (stale) say(`Stale: these figures are of ${of}; ${trouble || "the agent has not answered since"}. Trying again.`);
    else if (paused) say(`Paused: these figures are of ${of}. Press p to go on.`);
    else if (was || /^(Paused|Stale)/.test(by("said").textContent)) say("");
  }

  // --- Figures ---------------------------------------------------------------------------------

  async function live() {
    const mine = ++loops;
    let failures = 0;
    if (poll) poll.abort();
    while (mine === loops && !paused && !document.hidden) {
      const verdict = by("verdict");
      const after = failures === 0 && verdict && minutes === current_range() ? verdict.dataset.sequence : 0;
      const range = minutes;
      poll = new AbortController();
      try {
        const parsed = await get(`/live?after=${after}&minutes=${range}`, STALE_MS, poll.signal);
        if (mine !== loops) return;
        const markup = parsed.querySelector("#verdict");
        if (!markup) throw new Error("the answer is not the agent's page");
        failures = 0;
        answered = Date.now();
        trouble = "";
        mark_range(range);
        show(parsed);
        state();
        // A sample comes every few seconds: an agent that answers at once is not asked at once.
        await wait(after === markup.dataset.sequence ? 1000 : 250);
      } catch (error) {
        if (mine !== loops) return;
        trouble = words(error);
        state();
        await wait(RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
      }
    }
  }

  function mark_range(range) {
    for (const link of document.querySelectorAll(".ranges a"))
      if (link.dataset.minutes === range) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
  }

  function stop() {
    loops++;
    if (poll) poll.abort();
  }

  function pause(on) {
    paused = on;
    by("pause").textContent = paused ? "Go on" : "Pause";
    by("pause").setAttribute("aria-pressed", String(paused));
    if (paused) stop();
    else live();
    state();
  }

  function go_range(range) {
    const url = here();
    minutes = range;
    url.searchParams.set("minutes", range);
    history.pushState(null, "", url);
    if (paused) pause(false);
    else live();
  }

  // --- Traces ----------------------------------------------------------------------------------

  let asked = 0;

  const about_traces = (url) => ["by", "find", "trace"].some((name) => url.searchParams.get(name));

  async function traces(url, focus) {
    const mine = ++asked;
    const section = by("traces");
    const part = new URL(url);
    part.hash = "";
    part.searchParams.set("part", "traces");
    section.setAttribute("aria-busy", "true");
    try {
      const parsed = await get(part, 30000);
      if (mine !== asked) return;
      const fresh = parsed.querySelector("#traces");
      if (!fresh) throw new Error("the answer is not the agent's page");
      section.replaceChildren(...document.adoptNode(fresh).childNodes);
      dress(section);
    } catch (error) {
      if (mine !== asked) return;
      const old = section.querySelector("p.failed");
      const line = old || document.createElement("p");
      line.className = "failed bad";
      line.textContent = `The traces can't be shown: ${words(error)}. `;
      const again = document.createElement("a");
      again.href = url;
      again.textContent = "Try again";
      line.append(again);
      if (!old) section.querySelector("h2").after(line);
    }
    section.removeAttribute("aria-busy");
    if (focus) {
      const heading = section.querySelector("h3") || section.querySelector("h2");
      heading.tabIndex = -1;
      heading.focus({ preventScroll: true });
      section.scrollIntoView({ block: "start" });
    }
  }

  function go_traces(url) {
    url.searchParams.set("minutes", minutes);
    history.pushState(null, "", url);
    traces(url, true);
  }

  // --- Sorting ---------------------------------------------------------------------------------

  const value_of = (row, column, number) => {
    const cell = row.cells[column];
    return number ? parseFloat(cell.dataset.value) : cell.textContent.trim();
  };

  function order(table, column, ascending) {
    const heads = table.tHead.rows[0].cells;
    const number = heads[column].dataset.sort === "number";
    const rows = [...table.tBodies[0].rows].map((row) => [value_of(row, column, number), row]);
    rows.sort(([a], [b]) => (number ? a - b : a.localeCompare(b)) * (ascending ? 1 : -1));
    for (const [, row] of rows) table.tBodies[0].append(row);
    for (const head of heads)
      if (head.dataset.sort)
        head.setAttribute("aria-sort", head !== heads[column] ? "none" : ascending ? "ascending" : "descending");
  }

  function sort_by(table, column) {
    const head = table.tHead.rows[0].cells[column];
    const sorted = head.getAttribute("aria-sort");
    // Figures are looked at from the highest, names from the first.
    const ascending = sorted === "descending" || (sorted !== "ascending" && head.dataset.sort === "text");
    sorts[table.closest("section").id] = [column, ascending];
    order(table, column, ascending);
  }

  function make_button(label, name) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.className = name;
    return button;
  }

  // What only a script can do gets its buttons.
  function dress(root) {
    for (const table of root.querySelectorAll("table.sortable")) {
      for (const head of table.tHead.rows[0].cells) {
        if (!head.dataset.sort || head.querySelector("button")) continue;
        head.replaceChildren(make_button(head.textContent, "sort"));
        if (!head.hasAttribute("aria-sort")) head.setAttribute("aria-sort", "none");
      }
      const chosen = sorts[table.closest("section").id];
      if (chosen) order(table, ...chosen);
    }
    if (navigator.clipboard)
      for (const mend of root.querySelectorAll(".mend"))
        if (!mend.querySelector("button")) mend.append(make_button("Copy", "copy"));
  }

  async function copy(button) {
    try {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
      say("The command is copied.");
    } catch {
      say("The browser does not let the page copy; select the text instead.");
    }
  }

  // --- Keys ------------------------------------------------------------------------------------

  const keys_off = () => {
    try {
      return localStorage.getItem(KEYS) === "off";
    } catch {
      return false;
    }
  };

  function help() {
    let dialog = by("help");
    if (!dialog) {
      dialog = document.createElement("dialog");
      dialog.id = "help";
      dialog.setAttribute("aria-labelledby", "help-title");
      // Our own words alone.
      dialog.innerHTML =
        '<h2 id="help-title">Keys</h2><dl><dt><kbd>/</kbd></dt><dd>search the traces</dd><dt><kbd>p</kbd></dt><dd>pause, go on</dd>' +
        "<dt><kbd>s</kbd></dt><dd>sort the routes by the next column</dd><dt><kbd>1</kbd> <kbd>2</kbd> <kbd>3</kbd></dt>" +
        "<dd>5, 15, 60 minutes</dd><dt><kbd>?</kbd></dt><dd>this list</dd><dt><kbd>Esc</kbd></dt><dd>closes it</dd></dl>" +
        '<p><label><input type="checkbox" id="keys-on"> Single keys work</label></p>' +
        '<p><button type="button" id="help-close">Close</button></p>';
      document.body.append(dialog);
      by("help-close").onclick = () => dialog.close();
      by("keys-on").onchange = (event) => {
        try {
          localStorage.setItem(KEYS, event.target.checked ? "on" : "off");
        } catch {
          say("The browser keeps no settings for this page.");
        }
      };
    }
    by("keys-on").checked = !keys_off();
    dialog.showModal();
  }

  function next_sort() {
    const table = document.querySelector("#routes table.sortable");
    if (!table) return;
    const heads = [...table.tHead.rows[0].cells];
    const now = heads.findIndex((head) => (head.getAttribute("aria-sort") || "none") !== "none");
    sort_by(table, (now + 1) % heads.length);
    say(`Routes by ${heads[(now + 1) % heads.length].textContent}`, true);
  }

  const keys = {
    "/": () => by("find") && by("find").focus(),
    p: () => pause(!paused),
    s: next_sort,
    1: () => go_range("5"),
    2: () => go_range("15"),
    3: () => go_range("60"),
    "?": help,
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest && event.target.closest("input, textarea, select, dialog");
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented || typing || keys_off()) return;
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });

  document.addEventListener("click", (event) => {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const button = event.target.closest("button");
    if (button) {
      const head = button.closest("th[data-sort]");
      if (head) sort_by(head.closest("table"), head.cellIndex);
      else if (button.classList.contains("copy")) copy(button);
      return;
    }
    const link = event.target.closest("a[href]");
    if (!link || link.origin !== location.origin || link.pathname !== "/" || link.hash !== "") return;
    if (link.dataset.minutes) {
      event.preventDefault();
      go_range(link.dataset.minutes);
    } else if (about_traces(new URL(link.href))) {
      event.preventDefault();
      go_traces(new URL(link.href));
    }
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "get" || !form.closest("#traces")) return;
    const url = new URL(form.action);
    url.search = new URLSearchParams(new FormData(form)).toString();
    event.preventDefault();
    if (about_traces(url)) go_traces(url);
    else by("find").focus();
  });

  window.addEventListener("popstate", () => {
    const range = here().searchParams.get("minutes") || first;
    if (range !== minutes) {
      minutes = range;
      if (!paused) live();
    }
    traces(here(), false);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stop();
    else if (!paused) live();
    state();
  });
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && !paused) live();
  });

  for (const [label, id, action] of [["Pause", "pause", () => pause(!paused)], ["Keys", "keys", help]]) {
    const button = make_button(label, "");
    button.id = id;
    button.onclick = action;
    document.querySelector(".controls").append(button);
  }
  dress(document);
  title();
  setInterval(state, 1000);
  live();
})();
