// The page of the admin endpoint in a real Chromium: what it shows is what /status says, with 0, 3 and 50 clients, without
// a Gateway and without twsmux, on a phone and on a desk, light and dark, with nothing but the keyboard.
//
//   node tests/page/page.mjs TWSMUX FLEET      the binary, and the example `fleet`; ./dev page runs it
//
// Everything is on loopback. Screenshots go to a new temporary folder, which is printed, or to $TWSMUX_PAGE_SHOTS. Every wait
// is for a condition, within PATIENCE.

import { spawn, execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import assert from "node:assert/strict";

const PATIENCE = 30_000;
const SMALLEST = 4.5; // contrast of text, WCAG AA
const PHONE = { width: 360, height: 740 };
const DESK = { width: 1280, height: 800 };
const NARROW = { width: 320, height: 568 };

const [binary, fleetBinary] = process.argv.slice(2);
assert(binary && fleetBinary, "usage: page.mjs TWSMUX FLEET");
const home = process.env.TWSMUX_PAGE_DIR ?? join(dirname(fileURLToPath(import.meta.url)), ".browser");
const { chromium } = createRequire(join(home, "node_modules", "."))("playwright-core");
const scratch = mkdtempSync(join(tmpdir(), "twsmux-page-"));
const shots = process.env.TWSMUX_PAGE_SHOTS ?? mkdtempSync(join(tmpdir(), "twsmux-shots-"));
mkdirSync(shots, { recursive: true });

// ---- processes ----

const children = new Set();

// Starts a program and waits for its line that begins with `ready`.
function start(program, args) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TWSMUX_")));
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env });
  children.add(child);
  let errors = "";
  child.stderr.on("data", (text) => { errors = (errors + text).slice(-4000); });
  const ended = new Promise((resolve) => child.once("exit", () => { children.delete(child); resolve(); }));
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${program} ${args[0]} is not ready: ${errors}`)), PATIENCE);
    ended.then(() => reject(new Error(`${program} ${args[0]} ended: ${errors}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (!line.startsWith("ready")) return;
      clearTimeout(late);
      const said = Object.fromEntries(line.split(" ").slice(1).map((word) => word.split("=")));
      resolve({ said, end: async (signal) => { child.kill(signal ?? "SIGTERM"); await ended; } });
    });
  });
}

let states = 0;
const run = (upstream, { listen = "127.0.0.1:0", admin = "127.0.0.1:0" } = {}) =>
  start(binary, ["run", "--upstream", upstream, "--listen", listen, "--admin", admin, "--backoff-min", "0.5", "--state-dir", join(scratch, `state-${++states}`)]);
const gateway = (listen = "127.0.0.1:0") => start(binary, ["sim", "--listen", listen, "--messages-per-second", "unlimited"]);
const fleet = (address, n) => start(fleetBinary, [address, String(n)]);

const status = async (admin) => (await fetch(`http://${admin}/status`)).json();

async function until(what, check) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = await check();
    if (found) return found;
    assert(Date.now() < end, `${what} did not come about`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// ---- the browser ----

function launch() {
  const at = join(home, "chromium");
  // One font, so that a screenshot is the same everywhere.
  const fonts = join(scratch, "fonts.conf");
  writeFileSync(fonts, `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
    <dir>${at}/fonts</dir><cachedir>${scratch}/fonts-cache</cachedir></fontconfig>`);
  const env = { ...process.env, FONTCONFIG_FILE: fonts, HOME: scratch };
  const linked = execFileSync("ldd", [join(at, "chromium")], { encoding: "utf8" });
  if (linked.includes("not found")) env.LD_LIBRARY_PATH = join(at, "al2023", "lib");
  const args = ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none", "--disable-dev-shm-usage"];
  return chromium.launch({ executablePath: join(at, "chromium"), headless: true, args, env });
}

const contexts = new Set();

// A page that notes whatever goes wrong in it.
async function open(browser, admin, options = {}) {
  const { path = "/", before, ...more } = options;
  const context = await browser.newContext({ viewport: DESK, ...more });
  contexts.add(context);
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const faults = [], answers = [];
  page.on("console", (line) => { if (["error", "warning"].includes(line.type())) faults.push(line.text()); });
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.host !== admin) faults.push(`asked elsewhere: ${request.url()}`);
  });
  page.on("response", (answer) => {
    if (new URL(answer.url()).pathname === "/status") answers.push(answer.json().catch(() => null));
  });
  await page.addInitScript(() => {
    globalThis.violations = [];
    addEventListener("securitypolicyviolation", (event) => globalThis.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
  });
  await before?.(page);
  await page.goto(`http://${admin}${path}`);
  return {
    page,
    faults,
    shown: () => page.waitForFunction(() => !document.getElementById("main").hidden),
    // Stops it, and returns the status that it shows.
    async hold() {
      if ((await page.getAttribute("#pause", "aria-pressed")) === "false") await page.click("#pause");
      await page.waitForFunction(() => paused && !looking);
      return answers.at(-1);
    },
    async close() {
      assert.deepEqual(await page.evaluate(() => globalThis.violations ?? []), [], "violations of the content security policy");
      assert.deepEqual(faults, [], "errors on the console");
      contexts.delete(context);
      await context.close();
    },
  };
}

// Lets a page see another status than the one that was told.
const altered = (change) => async (route) => {
  const said = await route.fetch().then((answer) => answer.json()).catch(() => null);
  await (said ? route.fulfill({ json: change(said) }) : route.abort()).catch(() => {});
};

const shot = (page, name) => page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });

// ---- what must hold of a page ----

async function fits(page, sizes = [PHONE, DESK, NARROW]) {
  for (const size of sizes) {
    await page.setViewportSize(size);
    const [wide, has] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert(wide <= has, `${wide} px of ${has} at ${size.width}`);
  }
}

// The smallest contrast of visible text with what is behind it, in both themes.
async function contrasts(page) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const [ratio, text, back] = await page.evaluate(() => {
      const channels = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
      const light = (color) => {
        const [r, g, b] = channels(color).map((c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const behind = (node) => {
        for (let n = node; n; n = n.parentElement) {
          const color = getComputedStyle(n).backgroundColor;
          if (channels(color).length === 3) return color;
        }
        return "rgb(255, 255, 255)";
      };
      let worst = [100, ""];
      for (const node of document.body.querySelectorAll("*")) {
        const speaks = [...node.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
        if (!speaks || !node.checkVisibility() || node.closest("noscript")) continue;
        const [a, b] = [light(getComputedStyle(node).color), light(behind(node))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < worst[0]) worst = [ratio, `${node.tagName} ${node.textContent.slice(0, 40)}`, behind(document.body)];
      }
      return worst;
    });
    assert(ratio >= SMALLEST, `${colorScheme}: ${ratio.toFixed(2)} for ${text}`);
    assert.equal(back === "rgb(255, 255, 255)", colorScheme === "light", `${back} is not ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
}

// The Tab key reaches everything that can be used, each with a mark that can be seen.
async function keys(page) {
  await page.evaluate(() => {
    // From the very beginning, wherever was clicked before.
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
    const usable = "a[href], button, summary, input, select, textarea, [tabindex='0']";
    globalThis.wanted = [...document.querySelectorAll(usable)].filter((node) => node.checkVisibility());
    globalThis.reached = new Set();
  });
  const wanted = await page.evaluate(() => wanted.length);
  assert(wanted > 10, `${wanted} things to use`);
  for (let n = 0; n < wanted; n++) {
    await page.keyboard.press("Tab");
    const problem = await page.evaluate(() => {
      const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
      reached.add(at);
      if (at === document.body) return "the focus left the page too soon";
      if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 1) return `no mark on ${at.outerHTML}`;
      if (box.right < 1 || box.left > innerWidth || box.width < 1) return `out of sight: ${at.outerHTML}`;
      return null;
    });
    assert.equal(problem, null);
  }
  const missed = await page.evaluate(() => wanted.filter((node) => !reached.has(node)).map((node) => node.outerHTML));
  assert.deepEqual(missed, []);
}

// Headings go down one level at a time, tables have names and heads, landmarks are there.
async function meaning(page) {
  const problems = await page.evaluate(() => {
    const found = [];
    for (const landmark of ["header", "nav", "main", "footer"]) if (document.querySelectorAll(landmark).length !== 1) found.push(landmark);
    if (document.querySelectorAll("h1").length !== 1) found.push("h1");
    for (const table of document.querySelectorAll("table")) {
      if (!document.getElementById(table.getAttribute("aria-labelledby"))) found.push("a table without a name");
      for (const th of table.querySelectorAll("th")) if (!["col", "row"].includes(th.scope)) found.push("a head without a scope");
    }
    for (const button of document.querySelectorAll("button")) if (!button.hidden && !button.textContent.trim()) found.push("a button without words");
    if (!document.querySelector("[aria-live=polite]") || !document.documentElement.lang) found.push("no live region or language");
    const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
    if (new Set(ids).size !== ids.length) found.push("an id twice");
    for (const link of document.querySelectorAll("a[href^='#']")) if (!document.querySelector(link.getAttribute("href"))) found.push(link.outerHTML);
    return found;
  });
  assert.deepEqual(problems, []);
}

// The cells of a table, by the names of the columns.
const table = (page, section) => page.evaluate((section) => {
  const names = [...document.querySelectorAll(`${section} thead th`)].map((th) => th.textContent);
  const rows = [...document.querySelectorAll(`${section} tbody tr`)].filter((tr) => !tr.querySelector(".none"));
  return rows.map((tr) => Object.fromEntries([...tr.children].map((cell, i) => [names[i], cell.textContent])));
}, section);
const tiles = (page) => page.evaluate(() => Object.fromEntries([...document.querySelectorAll("#tiles div")].map((tile) =>
  [tile.querySelector("dt").textContent, tile.querySelector("dd span").textContent])));
const plain = (n) => (n == null ? "-" : n.toLocaleString("en"));

// What is shown is what /status said.
async function agrees(view) {
  const { page } = view, said = await view.hold();
  const rows = await table(page, "#clients");
  assert.equal(rows.length, Math.min(said.clients.length, 100));
  rows.forEach((row, i) => {
    const client = said.clients[i], owner = said.owners.find((o) => o.client_id === client.client_id);
    const expected = {
      id: String(client.client_id), key: client.key, name: client.certificate ?? "-", peer: client.peer, phase: client.phase, version: String(client.server_version),
      queued: plain(client.queued), conflated: plain(client.conflated), requests: plain(client.requests), orders: plain(owner?.live),
      holds: [
        ...client.holds.map((h) => `${h.count} ${h.message}`),
        ...said.streams.filter((s) => s.sharers.includes(client.client_id)).map((s) => s.stream),
      ].join(", "),
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(row[name], value, `${name} of client ${client.client_id}`);
  });
  const lines = await table(page, "#lines");
  const streams = said.streams.filter((s) => s.subscribers || s.rows).length;
  assert.equal(lines.length, Math.min(streams + said.lines.length, 100));
  said.lines.slice(0, 100 - streams).forEach((line, i) => {
    const row = lines[streams + i];
    assert.deepEqual([row.subscription, row.of, row.who], [line.message, line.about, line.sharers.join(" ") || "nobody"]);
  });
  const owners = await table(page, "#owners");
  assert.deepEqual(owners.map((o) => [o["client id"], o.live]), said.owners.map((o) => [String(o.client_id), plain(o.live)]));
  const pacer = await table(page, "#pacer");
  assert.deepEqual(pacer.map((q) => q.waiting), said.queues.map((q) => plain(q.waiting)));
  const errors = await table(page, "#errors");
  assert.deepEqual(errors.map((e) => [e.code, e.times]), said.errors.map((e) => [String(e.code), plain(e.times)]));
  const history = await table(page, "#history");
  assert.deepEqual(history.map((h) => [h.state, h.words]), said.upstream.history.map((h) => [h.state.replaceAll("_", " "), h.words]));
  const shown = await tiles(page);
  assert.equal(shown.clients, plain(said.clients.length));
  assert.equal(shown.requests, plain(said.requests));
  assert.equal(shown.lines, plain(said.lines_total));
  assert.equal(shown["live orders"], plain(said.live_orders));
  assert.equal(shown["waiting for the pacer"], plain(said.queued));
  assert.equal(shown.CLOSE_WAIT, plain(said.upstream.close_wait));
  assert.equal(await page.textContent("#state"), said.upstream.ready ? "ready" : `not ready: ${said.upstream.state}`);
  return said;
}

// Everything that holds of any page, and the pictures of it.
async function whole(browser, admin, name) {
  const view = await open(browser, admin);
  await view.shown();
  const said = await agrees(view);
  await meaning(view.page);
  await contrasts(view.page);
  // Live again, with rates.
  await view.page.click("#pause");
  await view.page.waitForFunction((n) => !paused && rates.size === n, said.clients.length);
  for (const [size, viewport] of [["phone", PHONE], ["desk", DESK]]) {
    await view.page.setViewportSize(viewport);
    await keys(view.page);
    await view.page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
    for (const colorScheme of ["light", "dark"]) {
      await view.page.emulateMedia({ colorScheme });
      await shot(view.page, `${name}-${size}-${colorScheme}`);
    }
  }
  await fits(view.page);
  await view.close();
  return said;
}

// ---- the checks ----

const checks = [];
const check = (name, run) => checks.push([name, run]);

check("without a Gateway it says so and why", async (browser) => {
  const mux = await run("127.0.0.1:1");
  await until("the refusal", async () => (await status(mux.said.admin)).upstream.history.length);
  const said = await whole(browser, mux.said.admin, "down");
  assert.equal(said.upstream.ready, false);
  const view = await open(browser, mux.said.admin);
  await view.shown();
  const { trouble } = (await view.hold()).upstream;
  assert((await view.page.textContent("#seen")).startsWith(trouble.seen));
  assert.equal(await view.page.textContent("#means"), `This usually means: ${trouble.means}.`);
  assert.deepEqual(await view.page.locator("#steps li").allTextContents(), trouble.steps);
  assert((await view.page.title()).startsWith("NOT READY"));
  assert.equal((await table(view.page, "#history"))[0].state, "not listening");
  await view.close();
  await mux.end();
});

check("0, 3 and 50 clients", async (browser) => {
  const sim = await gateway();
  const mux = await run(sim.said.sim);
  await until("the Gateway", async () => (await status(mux.said.admin)).upstream.ready);
  for (const n of [0, 3, 50]) {
    const members = n ? await fleet(mux.said.listen, n) : null;
    await until(`${n} clients`, async () => {
      const { clients } = await status(mux.said.admin);
      return clients.length === n && clients.every((c) => c.phase === "ready" && c.holds.length);
    });
    const said = await whole(browser, mux.said.admin, `clients-${n}`);
    assert.equal(said.clients.length, n);
    if (n) {
      assert(said.lines_total >= 2 && said.lines.some((line) => line.sharers.length > 1), "lines are shared");
      assert(said.live_orders > 0 && said.errors.some((e) => e.origin === "gateway" && e.code === 200), "orders and an error");
    }
    await members?.end();
    await until("nobody", async () => (await status(mux.said.admin)).clients.length === 0);
  }
  await mux.end();
  await sim.end();
});

check("it is live: rates, sorting by key, pause, skip link", async (browser) => {
  const sim = await gateway();
  const mux = await run(sim.said.sim);
  const members = await fleet(mux.said.listen, 5);
  const view = await open(browser, mux.said.admin), { page } = view;
  await view.shown();
  await page.waitForFunction(() => {
    const names = [...document.querySelectorAll("#clients thead th")].map((th) => th.textContent);
    const cells = [...document.querySelectorAll("#clients tbody tr")].map((tr) => tr.children[names.indexOf("out/s")]?.textContent);
    return cells.length === 5 && cells.every((cell) => Number(cell) > 0);
  });
  const sort = page.locator("#clients thead button", { hasText: /^requests$/ });
  for (const [order, sign] of [["descending", -1], ["ascending", 1]]) {
    await sort.focus();
    await page.keyboard.press("Enter");
    assert.equal(await sort.locator("..").getAttribute("aria-sort"), order);
    const counts = (await table(page, "#clients")).map((row) => Number(row.requests));
    assert.deepEqual(counts, [...counts].sort((a, b) => sign * (a - b)));
  }
  // The focus stays where it is over several looks.
  const looks = await page.evaluate(() => { globalThis.looks = 0; const old = show; show = (s) => { old(s); globalThis.looks++; }; return looks; });
  await page.waitForFunction((n) => globalThis.looks > n + 1, looks);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "requests");
  await page.keyboard.press("Enter");
  assert.equal(await sort.locator("..").getAttribute("aria-sort"), null);
  await page.focus("#pause");
  await page.keyboard.press("Space");
  assert.equal(await page.textContent("#pause"), "Resume");
  assert.match(await page.textContent("#age"), /^paused/);
  await page.keyboard.press("Space");
  assert.equal(await page.getAttribute("#pause", "aria-pressed"), "false");
  await page.focus(".skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await view.close();
  await members.end();
  await mux.end();
  await sim.end();
});

check("the Gateway goes and comes, twsmux goes and comes", async (browser) => {
  let sim = await gateway();
  let mux = await run(sim.said.sim);
  const { listen, admin } = mux.said;
  await until("the Gateway", async () => (await status(admin)).upstream.ready);
  const view = await open(browser, admin), { page } = view;
  await view.shown();
  await page.waitForFunction(() => said !== null);
  assert.equal(await page.textContent("#said"), "", "nothing is said aloud that did not change");
  const at = sim.said.sim;
  await sim.end("SIGKILL");
  await page.waitForFunction(() => document.getElementById("state").textContent.startsWith("not ready"));
  assert.match(await page.textContent("#said"), /^The Gateway is not ready: /);
  sim = await gateway(at);
  await page.waitForFunction(() => document.getElementById("state").textContent === "ready");
  assert.equal(await page.textContent("#said"), "The Gateway is ready.");
  assert.deepEqual((await table(page, "#history")).map((h) => h.state).filter((s) => s === "ready").length, 2);
  assert.deepEqual(view.faults, []);
  await mux.end("SIGKILL");
  await page.waitForFunction(() => !document.getElementById("lost").hidden);
  assert.match(await page.textContent("#lost"), /^No answer from twsmux .*What is shown is the last picture\./);
  assert.equal(await page.textContent("#state"), "last known: ready");
  assert.match(await page.textContent("#age"), /^NO ANSWER, picture [\d.]+ s old$/);
  await contrasts(page);
  for (const [size, viewport] of [["phone", PHONE], ["desk", DESK]]) {
    await page.setViewportSize(viewport);
    await shot(page, `gone-${size}-light`);
  }
  mux = await run(at, { listen, admin });
  await page.waitForFunction(() => document.getElementById("lost").hidden && document.getElementById("state").textContent === "ready");
  // The browser itself notes each look that failed, and nothing else may be there.
  const rest = view.faults.splice(0).filter((fault) => !fault.includes("ERR_CONNECTION_REFUSED") && !fault.includes("ERR_EMPTY_RESPONSE"));
  assert.deepEqual(rest, []);
  await view.close();
  await mux.end();
  await sim.end();
});

check("nothing is asked while nobody looks", async (browser) => {
  const mux = await run("127.0.0.1:1");
  const view = await open(browser, mux.said.admin, { before: (page) => page.clock.install() }), { page } = view;
  await view.shown();
  let asked = 0;
  page.on("request", () => asked++);
  await page.waitForFunction(() => !looking);
  await page.clock.runFor(1000);
  await until("a look", () => asked > 0);
  await page.waitForFunction(() => !looking);
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  asked = 0;
  await page.clock.runFor(60_000);
  assert.equal(await page.evaluate(() => looking), false);
  assert.equal(asked, 0, "looks of a hidden page");
  await page.evaluate(() => {
    delete document.hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await until("a look", () => asked > 0);
  await view.close();
  await mux.end();
});

check("what strangers say stays text", async (browser) => {
  const sim = await gateway();
  const mux = await run(sim.said.sim);
  const members = await fleet(mux.said.listen, 3);
  const evil = "<img src=x onerror=alert(1)><script>alert(2)</script>";
  const poison = (value) => typeof value === "string" ? evil
    : Array.isArray(value) ? value.map(poison)
    : value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, poison(v)]))
    : value;
  const view = await open(browser, mux.said.admin, {
    before: (page) => page.route("**/status", altered((said) => poison({ ...said, clients: said.clients.map((c) => ({ ...c, certificate: "a name" })) }))),
  });
  await view.shown();
  assert.equal(await view.page.evaluate(() => document.querySelectorAll("img, body script").length), 0);
  await view.page.waitForFunction(() => document.querySelectorAll("#clients tbody tr").length === 3);
  const rows = await table(view.page, "#clients");
  assert(rows.length === 3 && rows.every((row) => row.peer === evil && row.name === evil));
  await fits(view.page, [PHONE, DESK]);
  await view.close();
  await members.end();
  await mux.end();
  await sim.end();
});

check("more rows than fit: the rest on request", async (browser) => {
  const mux = await run("127.0.0.1:1");
  const view = await open(browser, mux.said.admin, {
    before: (page) => page.route("**/status", altered((said) => {
      said.lines = Array.from({ length: 500 }, (_, n) => ({ message: "reqMktData", upstream_id: 1 << 30 | n, sharers: Array.from({ length: 40 }, (_, k) => k), rows: 9 }));
      said.lines_total = 700;
      return said;
    })),
  }), { page } = view;
  await view.shown();
  assert.equal((await table(page, "#lines")).length, 100);
  const more = page.locator("#lines .more");
  assert.equal(await more.textContent(), "Show all 500");
  await more.focus();
  await page.keyboard.press("Enter");
  assert.equal((await table(page, "#lines")).length, 500);
  assert.match(await page.textContent("#lines h2"), /700 lines, 0 streams, 500 lines shown/);
  await fits(page);
  await view.close();
  await mux.end();
});

check("without scripts it says what there is and where to look", async (browser) => {
  const mux = await run("127.0.0.1:1");
  await until("the refusal", async () => (await status(mux.said.admin)).upstream.history.length);
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: PHONE });
  const page = await context.newPage();
  await page.goto(`http://${mux.said.admin}/`);
  const text = await page.innerText("body");
  for (const words of ["127.0.0.1:1", "not ready", "nothing listens", "Clients: 0", "twsmux status", "/metrics"]) assert(text.includes(words), words);
  await shot(page, "no-scripts-phone");
  await context.close();
  await mux.end();
});

// ---- the run ----

let failed = 0;
let browser;
try {
  browser = await launch();
  console.log(`page: Chromium ${browser.version()}, screenshots in ${shots}`);
  for (const [name, run] of checks) {
    const begin = Date.now();
    try {
      await run(browser);
      console.log(`page: ok: ${name} (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed++;
      console.log(`page: FAILED: ${name}\n${error.stack}`);
      for (const context of contexts) await context.close();
      contexts.clear();
      for (const child of children) child.kill("SIGKILL");
    }
  }
} finally {
  await browser?.close();
  for (const child of children) child.kill("SIGKILL");
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`page: ${checks.length - failed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
