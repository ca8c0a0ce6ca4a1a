// The page of the admin endpoint: looks at /status once a second and shows it.
//
// All that comes from /status is put in as text, never as markup: much of it was said by strangers.
"use strict";

const EVERY = 1000; // ms between two looks
const PATIENCE = 5000; // ms for one look
const STALE = 10; // seconds without a sign of the event loop
const ROWS = 100; // rows of a table before "Show all"

const $ = (id) => document.getElementById(id);
const number = (n) => (n == null ? "-" : Number(n).toLocaleString("en"));
const words = (text) => String(text ?? "-");
const rate = (n) => (n == null ? "-" : n < 10 ? n.toFixed(1) : number(Math.round(n)));
const many = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;
const ids = (list) => (list.length ? list.join(" ") : "nobody");

function bytes(n) {
  if (n == null) return "-";
  return n < 1024 ? `${n} B` : n < 1 << 20 ? `${(n / 1024).toFixed(1)} KiB` : `${(n / (1 << 20)).toFixed(1)} MiB`;
}

function span(seconds) {
  if (seconds == null) return "-";
  const s = Math.floor(seconds), m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
  return d ? `${d} d ${h % 24} h` : h ? `${h} h ${m % 60} min` : m ? `${m} min ${s % 60} s` : `${s} s`;
}

// `2026-11-23T22:07:38Z` as `11-23 22:07:38`
const clock = (utc) => words(utc).slice(5, 19).replace("T", " ");

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function make(parent, tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text != null) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

// ---- tables ----

// A column: name, class (n: number, t: in one piece, w: wide, own: needs no name on a phone), what it shows of a row, what
// it is sorted by (if not that), and what marks it.
const col = (name, kind, show, by, mark) => ({ name, kind, show, by, mark });

class Table {
  constructor(section, columns, { sorts = false, none = "none" } = {}) {
    Object.assign(this, { columns, none, order: null, down: false, all: false, rows: [] });
    this.count = section.querySelector("h2 small");
    this.box = make(section, "div", "box");
    this.title = section.querySelector("h2").firstChild.textContent.trim();
    const table = make(this.box, "table", sorts ? "" : "fixed");
    // The roles are said, for on a phone the style makes cards of the rows.
    table.setAttribute("role", "table");
    table.setAttribute("aria-labelledby", section.querySelector("h2").id);
    const head = make(make(table, "thead"), "tr");
    this.head = head.parentNode;
    this.head.setAttribute("role", "rowgroup");
    head.setAttribute("role", "row");
    this.heads = columns.map((c) => {
      const th = make(head, "th", c.kind);
      th.scope = "col";
      th.setAttribute("role", "columnheader");
      if (!sorts) return put(th, c.name), th;
      const button = make(th, "button", "", c.name);
      button.type = "button";
      button.addEventListener("click", () => this.sort(c));
      return th;
    });
    this.body = make(table, "tbody");
    this.body.setAttribute("role", "rowgroup");
    this.more = make(section, "button", "more");
    this.more.type = "button";
    this.more.addEventListener("click", () => { this.all = !this.all; this.draw(); });
  }

  // Up, then down, then as it came; numbers begin with the largest.
  sort(column) {
    const first = column.kind.includes("n");
    if (this.order !== column) [this.order, this.down] = [column, first];
    else if (this.down === first) this.down = !first;
    else this.order = null;
    this.heads.forEach((th, i) => {
      const on = this.columns[i] === this.order;
      on ? th.setAttribute("aria-sort", this.down ? "descending" : "ascending") : th.removeAttribute("aria-sort");
    });
    this.draw();
  }

  show(rows, count) {
    this.rows = rows;
    put(this.count, count ?? number(rows.length));
    this.draw();
  }

  draw() {
    let rows = this.rows;
    if (this.order) {
      const by = this.order.by ?? this.order.show, sign = this.down ? -1 : 1;
      rows = [...rows].sort((a, b) => {
        const [x, y] = [by(a), by(b)];
        if (typeof x === "number" && typeof y === "number") return sign * (x - y);
        return sign * String(x).localeCompare(String(y), "en", { numeric: true });
      });
    }
    const many = rows.length > ROWS;
    this.more.hidden = !many;
    put(this.more, this.all ? `Show ${ROWS}` : `Show all ${number(rows.length)}`);
    if (many && !this.all) rows = rows.slice(0, ROWS);
    const body = this.body;
    this.head.hidden = !rows.length;
    if (!rows.length) {
      if (body.firstChild?.firstChild?.className !== "none") {
        body.replaceChildren();
        const row = make(body, "tr"), cell = make(row, "td", "none", this.none);
        row.setAttribute("role", "row");
        cell.setAttribute("role", "cell");
        cell.colSpan = this.columns.length;
      }
      return;
    }
    if (body.firstChild?.firstChild?.className === "none") body.replaceChildren();
    while (body.children.length > rows.length) body.lastChild.remove();
    while (body.children.length < rows.length) this.blank();
    rows.forEach((row, r) => this.columns.forEach((c, i) => {
      const cell = body.children[r].children[i], text = words(c.show(row)), mark = c.mark?.(row) ?? "";
      put(cell, text);
      const empty = text === "0" || text === "-" || text === "" || text === "0.0" ? "empty" : "";
      const name = [c.kind, mark, i && empty].filter(Boolean).join(" ");
      if (cell.className !== name) cell.className = name;
    }));
    // A box that scrolls must be reachable with the keys.
    if (this.box.scrollWidth > this.box.clientWidth) {
      this.box.tabIndex = 0;
      this.box.setAttribute("role", "region");
      this.box.setAttribute("aria-label", this.title);
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) this.box.removeAttribute(name);
    }
  }

  blank() {
    const row = make(this.body, "tr");
    row.setAttribute("role", "row");
    this.columns.forEach((c, i) => {
      const cell = make(row, i ? "td" : "th");
      cell.setAttribute("role", i ? "cell" : "rowheader");
      if (!i) cell.scope = "row";
      cell.dataset.name = c.name;
    });
  }
}

const tables = {
  clients: new Table($("clients"), [
    col("id", "n", (c) => c.client_id),
    col("key", "t", (c) => c.key),
    col("name", "", (c) => c.certificate),
    col("peer", "t own", (c) => c.peer),
    col("phase", "t own", (c) => c.phase, null, (c) => (c.phase === "ready" ? "" : "warn")),
    col("version", "n", (c) => c.server_version),
    col("for", "n", (c) => span(c.connected_seconds), (c) => c.connected_seconds),
    col("in/s", "n", (c) => rate(c.in), (c) => c.in ?? 0),
    col("out/s", "n", (c) => rate(c.out), (c) => c.out ?? 0),
    col("queued", "n", (c) => number(c.queued), (c) => c.queued, (c) => (c.queued ? "warn" : "")),
    col("unread", "n", (c) => (c.outbox_bytes ? bytes(c.outbox_bytes) : "0"), (c) => c.outbox_bytes, (c) => (c.waiting ? "warn" : "")),
    col("conflated", "n", (c) => number(c.conflated), (c) => c.conflated),
    col("orders", "n", (c) => number(c.live), (c) => c.live ?? 0),
    col("requests", "n", (c) => number(c.requests), (c) => c.requests),
    col("holds", "w", (c) => [...(c.holds ?? []).map((h) => `${h.count} ${h.message}`), ...c.joined].join(", ")),
  ], { sorts: true, none: "nobody is connected" }),
  lines: new Table($("lines"), [
    col("subscription", "m own", (l) => l.name),
    col("of", "m own", (l) => l.about),
    col("id at the Gateway", "n", (l) => words(l.upstream_id), (l) => l.upstream_id ?? 0),
    col("clients", "n", (l) => number(l.sharers.length), (l) => l.sharers.length),
    col("rows", "n", (l) => number(l.rows), (l) => l.rows),
    col("who", "w", (l) => ids(l.sharers), (l) => l.sharers[0] ?? -1),
  ], { sorts: true, none: "nothing is subscribed" }),
  owners: new Table($("owners"), [
    col("client id", "n", (o) => o.client_id),
    col("live", "n", (o) => number(o.live), (o) => o.live ?? 0),
    col("remembered", "n", (o) => number(o.orders), (o) => o.orders),
    col("kept for it", "n", (o) => number(o.kept), (o) => o.kept),
    col("is", "t own", (o) => (o.here ? "connected" : "away"), null, (o) => (!o.here && o.live ? "warn" : "")),
  ], { sorts: true, none: "no orders are known" }),
  pacer: new Table($("pacer"), [
    col("class", "t own", (q) => q.class.replaceAll("_", " ")),
    col("waiting", "n keep", (q) => number(q.waiting), null, (q) => (q.waiting ? "warn" : "")),
    col("oldest", "n", (q) => (q.waiting ? `${q.oldest_seconds.toFixed(1)} s` : "-")),
  ]),
  errors: new Table($("errors"), [
    col("last (UTC)", "t own", (e) => clock(e.at)),
    col("code", "n", (e) => e.code),
    col("times", "n", (e) => number(e.times)),
    col("by", "t", (e) => (e.origin === "gateway" ? "Gateway" : "twsmux")),
    col("to", "t", (e) => (e.to.length ? e.to.join(" ") : "-")),
    col("words", "w own", (e) => e.words || "about an order; its owner was told"),
  ], { none: "none since the start" }),
  history: new Table($("history"), [
    col("since (UTC)", "t own", (h) => clock(h.at)),
    col("state", "t own", (h) => h.state.replaceAll("_", " "), null, (h) => (h.state === "ready" ? "good" : h.state === "learning" ? "warn" : "bad")),
    col("times", "n", (h) => number(h.times)),
    col("last (UTC)", "t", (h) => (h.times > 1 ? clock(h.last) : "-")),
    col("words", "w own", (h) => h.words),
  ], { none: "nothing yet" }),
};

// ---- the rest ----

// Pairs of name and value in a <dl>; the nodes are made once.
function list(node, rows, wrap) {
  while (node.children.length > rows.length * (wrap ? 1 : 2)) node.lastChild.remove();
  rows.forEach(([name, value, note, mark], i) => {
    if (!(wrap ? node.children[i] : node.children[2 * i])) {
      const parent = wrap ? make(node, "div") : node;
      make(parent, "dt");
      make(make(parent, "dd"), "span").after(make(null, "small"));
    }
    const [dt, dd] = wrap ? node.children[i].children : [node.children[2 * i], node.children[2 * i + 1]];
    put(dt, name);
    put(dd.firstChild, value);
    put(dd.lastChild, note ?? "");
    const className = mark ?? "";
    if (dd.firstChild.className !== className) dd.firstChild.className = className;
  });
}

let before = null; // uptime and frames of each client in the last picture that was another one
let rates = new Map();

// Frames a second of each client, from two pictures.
function measure(s) {
  const now = { at: s.uptime_seconds, frames: new Map(s.clients.map((c) => [c.key, [c.frames_received, c.frames_sent]])) };
  const passed = before ? now.at - before.at : 0;
  if (before && passed === 0) return;
  rates = new Map();
  for (const [key, frames] of passed > 0 ? now.frames : []) {
    const old = before.frames.get(key);
    if (old) rates.set(key, frames.map((n, i) => (n - old[i]) / passed));
  }
  before = now;
}

function warnings(s) {
  const up = s.upstream, out = [];
  if (s.age_seconds > STALE) out.push(["bad", `The event loop has not reported for ${Math.floor(s.age_seconds)} s.`]);
  if (up.close_wait > 0) out.push(["bad", `${up.close_wait} dead connection(s) in CLOSE_WAIT on the Gateway's port: run twsmux doctor.`]);
  if (s.journal_ok === false) out.push(["bad", "The order journal cannot be written: new orders are refused, cancels pass."]);
  if (s.kill_switch) out.push(["bad", "Kill switch: no new orders and no modifications leave."]);
  if (s.paused) out.push(["warn", "Paused: no connection to the Gateway until twsmux control resume."]);
  if (s.draining) out.push(["warn", "Draining: no new clients are taken in."]);
  if (s.config?.error) out.push(["bad", `The settings were not read again: ${s.config.error}`]);
  for (const key of s.config?.changed_by_hand ?? []) out.push(["warn", `Changed by hand: ${key}`]);
  for (const key of s.config?.restart_needed ?? []) out.push(["warn", `Needs a restart: ${key}`]);
  const slow = s.clients.filter((c) => c.waiting).map((c) => c.client_id ?? c.key);
  if (slow.length) out.push(["warn", `Slow to read, and told only the latest: ${slow.slice(0, 20).join(" ")}`]);
  return out;
}

// What is the matter with the Gateway and what to do about it.
function trouble(t) {
  $("trouble").hidden = !t;
  if (!t) return;
  put($("seen"), `${t.seen} (for ${span(t.since_seconds)})`);
  put($("means"), `This usually means: ${t.means}.`);
  const steps = $("steps");
  while (steps.children.length > t.steps.length) steps.lastChild.remove();
  t.steps.forEach((step, i) => put(steps.children[i] ?? make(steps, "li"), step));
}

let said = null;

function show(s) {
  const up = s.upstream;
  measure(s);
  put($("version"), words(s.version));
  put($("gateway"), words(up.gateway));
  put($("state"), up.ready ? "ready" : `not ready: ${up.state}`);
  $("state").className = up.ready ? "good" : "bad";
  put($("diagnosis"), words(up.diagnosis));
  $("diagnosis").className = up.ready ? "" : "bad";
  $("diagnosis").hidden = up.ready || Boolean(up.trouble);
  trouble(up.trouble);
  document.title = `${up.ready ? "" : "NOT READY - "}twsmux - ${many(s.clients.length, "client")}`;
  // Said aloud only when it changes.
  const news = up.ready ? "The Gateway is ready." : `The Gateway is not ready: ${up.trouble?.seen ?? up.diagnosis}`;
  if (said !== null && said !== news) put($("said"), news);
  said = news;
  const wrong = warnings(s);
  $("warnings").hidden = !wrong.length;
  while ($("warnings").children.length > wrong.length) $("warnings").lastChild.remove();
  wrong.forEach(([mark, text], i) => {
    const item = $("warnings").children[i] ?? make($("warnings"), "li");
    put(item, text);
    item.className = mark;
  });

  const live = new Map((s.owners ?? []).map((o) => [o.client_id, o.live]));
  const here = new Set(s.clients.map((c) => c.client_id));
  const limit = s.messages_per_second;
  const known = s.owners_total ?? 0, shown = s.owners?.length ?? 0;
  list($("tiles"), [
    ["clients", number(s.clients.length)],
    ["requests", number(s.requests), s.lane_waiters ? `${number(s.lane_waiters)} wait for another's answer` : ""],
    ["lines", number(s.lines_total), `for ${many(s.line_sharers, "subscription")}`],
    ["live orders", number(s.live_orders), `${number(s.orders)} remembered`],
    ["waiting for the pacer", number(s.queued), s.held ? `${number(s.held)} by IB's rules on history` : "", s.queued ? "warn" : ""],
    ["sent last second", number(s.sent_last_second), limit == null ? "no limit" : `of ${limit}`],
    ["round trip", up.round_trip_seconds == null ? "-" : `${(up.round_trip_seconds * 1000).toFixed(1)} ms`],
    ["CLOSE_WAIT", up.close_wait == null ? "unknown" : number(up.close_wait), "on its port", up.close_wait ? "bad" : ""],
    ["server version", words(up.server_version), `client id ${up.client_id}`],
    ["times ready", number(up.times_ready)],
    ["kept for those away", number(s.kept)],
    ["running for", span(s.uptime_seconds)],
  ], true);

  const joined = new Map();
  for (const x of s.streams) for (const id of x.sharers) joined.set(id, [...(joined.get(id) ?? []), x.stream]);
  tables.clients.show(s.clients.map((c) => {
    const [received, sent] = rates.get(c.key) ?? [];
    return { ...c, in: received, out: sent, live: live.get(c.client_id), joined: joined.get(c.client_id) ?? [] };
  }));
  const streams = s.streams.filter((x) => x.subscribers || x.rows)
    .map((x) => ({ ...x, name: x.account ? `${x.stream} ${x.account}` : x.stream }));
  tables.lines.show(
    [...streams, ...s.lines.map((l) => ({ ...l, name: l.message }))],
    `${many(s.lines_total, "line")}, ${many(streams.length, "stream")}${s.lines_total > s.lines.length ? `, ${s.lines.length} lines shown` : ""}`,
  );
  tables.owners.show((s.owners ?? []).map((o) => ({ ...o, here: here.has(o.client_id) })),
    known > shown ? `${number(shown)} of ${number(known)}` : undefined);
  tables.pacer.show(s.queues, `${number(s.queued)} waiting${limit == null ? "" : `, at most ${limit} messages/s now`}`);
  tables.errors.show(s.errors ?? []);
  tables.history.show(up.history ?? [], "the latest first");
  list($("settings"), [
    ["file", words(s.config.file ?? "none")],
    ["read", words(s.config.loaded_at)],
    ["accounts", words(up.accounts)],
    ["read again (SIGHUP)", `${s.config.reloads_applied} applied, ${s.config.reloads_rejected} rejected`],
    ["order journal", s.journal_ok ? "writable" : "CANNOT BE WRITTEN", s.journal_backlog ? ` ${s.journal_backlog} wait for the disk` : "", s.journal_ok ? "" : "bad"],
    ["kept answers", number(s.kept_answers), s.kept_answers ? ` with ${bytes(s.kept_answer_bytes)}` : ""],
  ]);
  list($("totals"), Object.entries(s.totals).map(([name, n]) => [name.replaceAll("_", " "), number(n)]));
  for (const node of [$("main"), $("pause"), document.querySelector("nav")]) node.hidden = false;
}

// ---- looking ----

let taken = null; // when the picture that is shown was taken, by this page's clock
let paused = false;
let timer = 0;
let looking = false;
let failed = false;

async function look() {
  if (looking) return;
  looking = true;
  clearTimeout(timer);
  const patience = new AbortController();
  const bound = setTimeout(() => patience.abort(), PATIENCE);
  try {
    const answer = await fetch("status", { signal: patience.signal, cache: "no-store" });
    if (!answer.ok) throw new Error(`it says ${answer.status}`);
    const status = await answer.json();
    taken = performance.now() - status.age_seconds * 1000;
    show(status);
    failed = false;
  } catch (error) {
    failed = true;
    // The number of seconds stands elsewhere, so that this is read aloud once.
    put($("lost"), `No answer from twsmux (${error.name === "AbortError" ? `none in ${PATIENCE / 1000} s` : error.message}). ${
      taken === null ? "" : "What is shown is the last picture. "}It is asked again every second.`);
  } finally {
    clearTimeout(bound);
    looking = false;
    $("lost").hidden = !failed;
    age();
    if (!paused && !document.hidden) timer = setTimeout(look, EVERY);
  }
}

function age() {
  if (taken === null) return;
  const old = (performance.now() - taken) / 1000;
  const how = paused ? "paused, " : failed ? "NO ANSWER, " : "";
  put($("age"), `${how}picture ${old < 10 ? old.toFixed(1) : Math.floor(old)} s old`);
  $("age").className = failed ? "bad" : paused ? "warn" : "";
  if (failed && !$("state").className.includes("old")) {
    put($("state"), `last known: ${$("state").textContent}`);
    $("state").className = "old";
  }
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  put($("pause"), paused ? "Resume" : "Pause");
  paused ? clearTimeout(timer) : look();
  age();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (!paused) look();
});
addEventListener("pageshow", (event) => { if (event.persisted && !paused) look(); });
setInterval(() => { if (!document.hidden) age(); }, EVERY);
look();
