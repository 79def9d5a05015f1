// The page of a diagnostics host. It reads the stream, keeps what it needs for
// its charts, and shows it. What came from queues goes through textContent.
"use strict";

const kept = 600; // figures of a queue that the charts show
const pageSize = 50; // leases and dead letters at a time

const $ = (id) => document.getElementById(id);
const queues = new Map(); // by name
const replicas = new Map(); // sources and sinks, by the name of their queue
let selected = ""; // name of the queue in detail
let mutations = false;
let paused = false;

/* Small things. */

const count = (n) => Math.round(n).toLocaleString("en");
const rate = (n) => (n >= 10 ? count(n) : n.toLocaleString("en", { maximumFractionDigits: 1 }));

function span(seconds) {
  if (seconds <= 0) return "0 s";
  if (seconds < 1e-3) return `${(seconds * 1e6).toPrecision(3)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toPrecision(3)} ms`;
  if (seconds < 120) return `${seconds.toPrecision(3)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

function element(name, properties, ...children) {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
}

function put(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

// fill makes body's rows those of items, in their order. A row stays the one of
// its key, and with it the focus that may be in it.
function fill(body, items, keyOf, make, update) {
  const old = new Map([...body.children].map((row) => [row.dataset.key, row]));
  items.forEach((item, i) => {
    const key = String(keyOf(item));
    let row = old.get(key);
    old.delete(key);
    if (!row) {
      row = make(item);
      row.dataset.key = key;
    }
    if (body.children[i] !== row) body.insertBefore(row, body.children[i] ?? null);
    update(row, item);
  });
  for (const row of old.values()) row.remove();
}

// list makes dl show pairs.
function list(dl, pairs) {
  if (dl.children.length !== 2 * pairs.length) {
    dl.replaceChildren(...pairs.flatMap(([name]) => [element("dt", { textContent: name }), element("dd", {})]));
  }
  pairs.forEach(([, value], i) => put(dl.children[2 * i + 1], value));
}

/* What is known of the queues. */

function queueOf(name) {
  let q = queues.get(name);
  if (!q) {
    q = { name, stats: null, points: [], bands: [], signals: new Map(), told: [], health: "healthy" };
    queues.set(name, q);
  }
  return q;
}

function observe(stats) {
  replicate(stats);
  const q = queueOf(stats.queue);
  const now = point(stats);
  q.stats = stats;
  while (q.points.length && q.points.at(-1)[0] >= now[0]) q.points.pop(); // the host's clock was set back
  q.points.push(now);
  trim(q);
}

// replicate notes what the sources and sinks of a queue say.
function replicate({ queue, replication }) {
  if (replication.length) replicas.set(queue, replication);
  else replicas.delete(queue);
}

function point(stats) {
  const p = stats.perSecond;
  return [Date.parse(stats.observedAt) / 1000, stats.pending, stats.active, p.enqueued, p.completed, p.failed];
}

function trim(q) {
  if (q.points.length > kept) q.points.splice(0, q.points.length - kept);
  q.bands = q.bands.filter((b) => b.to === null || !q.points.length || b.to >= q.points[0][0]);
}

// signal notes what a monitor says.
function signal(s) {
  const q = queueOf(s.queue);
  if (!filled) q.told.push(s);
  shade(q, s);
}

const monitorOf = (s) => `${s.shard ?? ""}/${s.highWatermark}/${s.lowWatermark}`; // a queue may have several

function shade(q, s) {
  q.signals.set(monitorOf(s), s);
  const at = Date.parse(s.observedAt) / 1000;
  const open = q.bands.at(-1)?.to === null ? q.bands.at(-1) : null;
  if (under(q) && !open) q.bands.push({ from: at, to: null });
  if (!under(q) && open) open.to = at;
}

const under = (q) => [...q.signals.values()].some((s) => s.isActive);

// pauseLines leaves a hole in the charts: nothing is known of this time. The
// clock is the host's.
function pauseLines() {
  for (const q of queues.values()) {
    const last = q.points.at(-1)?.[0];
    if (last === undefined) continue;
    q.points.push([last + 0.001, null, null, null, null, null]);
    if (q.bands.at(-1)?.to === null) q.bands.at(-1).to = last;
  }
}

// forget drops what was told before a time and is not in a snapshot.
function forget(snapshot, before) {
  const old = (of) => Date.parse(of.observedAt) < before;
  for (const [name, q] of queues) {
    if (!snapshot.queues.some((s) => s.queue === name) && (!q.stats || old(q.stats))) queues.delete(name);
    for (const [key, s] of q.signals) {
      if (old(s) && !snapshot.backpressure.some((b) => b.queue === name && monitorOf(b) === key)) {
        shade(q, { ...s, isActive: false, observedAt: snapshot.observedAt });
        q.signals.delete(key);
      }
    }
  }
  for (const name of replicas.keys()) {
    if (!snapshot.replication.some((r) => r.queue === name)) replicas.delete(name);
  }
}

/* The stream. */

let source = null;
let lastID = "";
let attempts = 0; // to connect, without success
let missed = 0;
let restarts = 0;

function connection(state, text) {
  $("connection").dataset.state = state;
  put($("connection"), text);
}

function showMissed() {
  const parts = [];
  if (missed) parts.push(`${count(missed)} event${missed === 1 ? "" : "s"} missed`);
  if (restarts) parts.push(`${count(restarts)} restart${restarts === 1 ? "" : "s"} of the host: what was between is not known`);
  put($("missed"), parts.join("; "));
  $("missed").hidden = !parts.length;
}

// on are the events of the stream.
const on = {
  "taskqueue.snapshot"(s) {
    mutations = s.mutations;
    forget(s, Infinity);
    s.queues.forEach(observe);
    Map.groupBy(s.replication, (r) => r.queue).forEach((replication, queue) => replicate({ queue, replication }));
    s.backpressure.forEach(signal);
    showHealth(s.health);
    backfill();
  },
  "taskqueue.stats": observe,
  "taskqueue.replicas": replicate,
  "taskqueue.replication"() {}, // the figures say it all
  "taskqueue.backpressure": signal,
  "taskqueue.deadletter"(letter) {
    if (letter.queue === selected) letters.refreshSoon();
  },
  "taskqueue.gap"(gap) {
    if (gap.reason === "rate") { // of single events of replication, which are not shown here, or of dead letters
      if (gap.role === "deadletters" && gap.queue === selected) letters.refreshSoon();
      return;
    }
    if (gap.reason === "unknown") restarts++;
    missed += gap.dropped;
    showMissed();
    pauseLines();
  },
  "taskqueue.bye"() {
    connect();
  },
};

function open() {
  source = new EventSource("taskqueue" + (lastID ? `?lastEventId=${encodeURIComponent(lastID)}` : ""));
  const from = source;
  for (const [type, handle] of Object.entries(on)) {
    from.addEventListener(type, (e) => {
      if (e.lastEventId) lastID = e.lastEventId;
      handle(JSON.parse(e.data));
      draw();
    });
  }
  from.onopen = () => {
    attempts = 0;
    connection("live", "live");
  };
  from.onerror = () => from === source && connect();
}

// connect comes back after a while: behind the last event, and later each time.
function connect() {
  source?.close();
  source = null;
  const after = Math.min(10, 0.25 * 2 ** attempts++);
  connection("reconnecting", "reconnecting");
  put($("health"), "unknown");
  setTimeout(open, after * 1000 * (0.75 + Math.random() / 2));
}

// backfill puts what the host still has of the past before what came since.
let filling = false;
let filled = false;
async function backfill() {
  if (filling) return;
  filling = true;
  const [stats, signals] = await Promise.all(["taskqueue.stats", "taskqueue.backpressure"].map(past));
  filled = true;
  for (const q of queues.values()) {
    const first = q.points[0]?.[0] ?? Infinity;
    q.points.unshift(...(stats.get(q.name) ?? []).map(point).filter((p) => p[0] < first));
    const then = { signals: new Map(), bands: [] };
    for (const s of [...(signals.get(q.name) ?? []), ...q.told]) shade(then, s);
    q.bands = then.bands;
    q.told = [];
    trim(q);
  }
  draw();
}

// past gives the events of a type that the host still has, by queue.
async function past(type) {
  const all = new Map();
  try {
    for (let after = "", pages = 0; pages < 6; pages++) {
      const answer = await ask(`taskqueue/history?limit=1000&types=${type}&after=${encodeURIComponent(after)}`);
      for (const { data } of answer.events) {
        if (!all.has(data.queue)) all.set(data.queue, []);
        all.get(data.queue).push(data);
      }
      if (!answer.next) break;
      after = answer.next;
    }
  } catch {
    // charts begin now
  }
  return all;
}

async function ask(path, options) {
  const response = await fetch(path, options);
  if (!response.ok) throw new Error(`${response.status}: ${(await response.text()).trim()}`);
  return response.status === 204 ? null : response.json();
}

function showHealth(health) {
  put($("health"), health.status);
  for (const h of health.queues) if (queues.has(h.queue)) queues.get(h.queue).health = h.status;
}

// look asks how the queues are, and whether they are all still attached.
async function look() {
  try {
    const snapshot = await ask("taskqueue/snapshot");
    if (!source) return;
    forget(snapshot, Date.parse(snapshot.observedAt));
    showHealth(snapshot.health);
    draw();
  } catch {
    put($("health"), "unknown");
  }
}

/* Drawing: at most once a frame, and not while paused. */

let drawing = false;
function draw() {
  if (drawing || paused) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    if (paused) return;
    drawQueues();
    drawReplication();
    drawDetail();
  });
}

const order = new Intl.Collator("en", { numeric: true }).compare;

function drawQueues() {
  const all = [...queues.values()].filter((q) => q.stats).sort((a, b) => order(a.name, b.name));
  $("none").hidden = all.length > 0;
  $("queues").hidden = !all.length;
  if (!queues.has(selected)) select(all[0]?.name ?? "");
  fill($("queues").tBodies[0], all, (q) => q.name, makeRow, updateRow);
}

function makeRow(q) {
  const button = element("button", { type: "button", textContent: q.name, onclick: () => select(q.name) });
  const row = element("tr", {}, element("th", { scope: "row" }, button), element("td", { className: "state" }));
  const ticks = [element("span", { className: "tick" }), element("span", { className: "tick high" })];
  const bar = element("span", { className: "bar" }, element("span", { className: "fill" }), ...ticks);
  row.append(element("td", {}, element("span", {}), bar));
  for (let i = 0; i < 8; i++) row.append(element("td", { className: "n" }));
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("viewBox", "0 0 120 24");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(svg.namespaceURI, "polyline"));
  row.append(element("td", {}, svg));
  return row;
}

function updateRow(row, q) {
  const s = q.stats;
  const [name, state, pending, ...rest] = row.children;
  const shut = s.state !== "open" && s.state;
  const states = [shut, s.paused && "paused", under(q) && "backpressure", q.health !== "healthy" && q.health].filter(Boolean);
  state.dataset.state = states.at(shut || s.paused ? 0 : -1) ?? "healthy";
  put(state, states.join(", ") || "healthy");
  row.classList.toggle("selected", q.name === selected);
  name.firstChild.setAttribute("aria-pressed", String(q.name === selected));
  put(pending.firstChild, `${count(s.pending)} of ${count(s.capacity)}`);
  const [level, low, high] = pending.lastChild.children;
  const part = (n) => `${Math.min(100, (100 * n) / s.capacity)}%`;
  level.style.width = part(s.pending);
  low.style.left = part(s.lowWatermark);
  high.style.left = part(s.highWatermark);
  low.hidden = high.hidden = !s.highWatermark;
  pending.title = s.highWatermark ? `watermarks: low ${count(s.lowWatermark)}, high ${count(s.highWatermark)}` : "";
  [
    count(s.active), rate(s.perSecond.enqueued), rate(s.perSecond.completed), span(s.oldestAgeSeconds),
    span(s.waitP50Seconds), span(s.waitP99Seconds), count(s.total.expired), count(s.dead),
  ].forEach((text, i) => put(rest[i], text));
  spark(rest[8].firstChild.firstChild, q.points.slice(-120));
}

function spark(line, points) {
  const known = points.filter((p) => p[1] !== null);
  const most = Math.max(1, ...known.map((p) => p[1]));
  const step = 120 / Math.max(1, known.length - 1);
  line.setAttribute("points", known.map((p, i) => `${(i * step).toFixed(1)},${(23 - (22 * p[1]) / most).toFixed(1)}`).join(" "));
}

/* Sources and sinks, a row for each peer. */

function drawReplication() {
  const rows = [...replicas].sort(([a], [b]) => order(a, b)).flatMap(([queue, all]) => all.flatMap((r, i) =>
    (r.peers.length ? r.peers : [null]).map((peer) => ({ queue, r, peer, key: JSON.stringify([queue, i, r.role, r.stream, peer?.peer]) }))));
  $("replication-section").hidden = !rows.length;
  fill($("replication").tBodies[0], rows, (row) => row.key, () => element("tr", {},
    element("th", { scope: "row" }), element("td", {}), element("td", {}),
    ...Array.from({ length: 7 }, () => element("td", { className: "n" }))), (row, { queue, r, peer }) => {
    cells(row, [
      queue || "not known yet", [r.role, r.stream, r.shard].filter(Boolean).join(" "), peer?.peer ?? "",
      count(peer?.position ?? r.position), count(r.behind), r.role === "sink" ? count(peer?.checkpointDistance ?? 0) : "",
      peer ? span(peer.lagSeconds) : "", count(peer?.events ?? 0),
      r.role === "sink" ? count(peer?.duplicates ?? 0) : "", r.role === "sink" ? count(peer?.gaps ?? 0) : "",
    ]);
  });
}

/* One queue in detail. */

// select shows a queue in detail, or none.
function select(name) {
  if (!name && !selected) return;
  selected = name;
  put($("hold-said"), "");
  $("detail").hidden = !name;
  put($("detail-title"), name);
  leases.begin();
  letters.begin();
  draw();
}

const bounds = ["1", "2", "3", "4 to 5", "6 to 10", "11 to 25", "more"];

function drawDetail() {
  const q = queues.get(selected);
  if (!q?.stats) return;
  const s = q.stats;
  $("hold-row").hidden = !mutations;
  put($("hold"), s.paused ? "Resume the queue" : "Pause the queue");
  const t = s.total;
  list($("outcomes"), [
    ["enqueued", t.enqueued], ["leased", t.leased], ["completed", t.completed], ["failed", t.failed],
    ["requeued", t.requeued], ["expired", t.expired], ["dead-lettered", t.deadLettered], ["refused", t.rejected],
  ].map(([n, v]) => [n, count(v)]));
  const all = s.attempts.reduce((a, b) => a + b, 0);
  list($("attempts"), [
    ...bounds.map((b, i) => [b, `${count(s.attempts[i])} (${all ? rate((100 * s.attempts[i]) / all) : 0} %)`]),
    ["not noted", count(s.attemptsLost)],
  ]);
  list($("readers"), [["readers", count(s.readers)], ["events the slowest is behind", count(s.slowestLag)]]);
  depth.draw(q);
  rates.draw(q);
  $("depth").setAttribute("aria-label", `${count(s.pending)} pending of ${count(s.capacity)}, ${count(s.active)} active` +
    (s.highWatermark ? `, watermarks ${count(s.lowWatermark)} and ${count(s.highWatermark)}` : "") +
    (under(q) ? ", under backpressure" : ""));
  $("rates").setAttribute("aria-label", `${rate(s.perSecond.enqueued)} in, ${rate(s.perSecond.completed)} done, ` +
    `${rate(s.perSecond.failed)} failed per second`);
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// chart draws some columns of the points of the selected queue in a box.
function chart(box, columns, top, hooks) {
  let plot = null;
  let queue = null;
  const size = () => ({ width: Math.max(200, box.clientWidth), height: 210 });
  function make(data) {
    const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") } };
    const clock = (_, ticks) => ticks.map((t) => new Date(t * 1000).toLocaleTimeString("en-GB"));
    return new uPlot({
      ...size(),
      legend: { show: false },
      cursor: { show: false },
      scales: { y: { range: (_, __, most) => [0, Math.max(1, 1.08 * Math.max(most ?? 0, top(queue)))] } },
      axes: [{ ...axis, space: 80, values: clock }, { ...axis, size: 70, values: (_, ticks) => ticks.map((n) => n.toLocaleString("en")) }],
      series: [{}, ...columns.map(([, c]) => ({ stroke: colour(c), width: 2, points: { show: false } }))],
      hooks: hooks ? hooks(() => queue) : {},
    }, data, box);
  }
  new ResizeObserver(() => plot?.setSize(size())).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    plot?.destroy();
    plot = null;
    draw();
  });
  return {
    draw(q) {
      queue = q;
      const data = [q.points.map((p) => p[0]), ...columns.map(([i]) => q.points.map((p) => p[i]))];
      if (plot) plot.setData(data);
      else plot = make(data);
    },
  };
}

// bands shades the time under backpressure, behind the lines.
function bands(u, q) {
  const { left, top, width, height } = u.bbox;
  u.ctx.save();
  u.ctx.fillStyle = colour("band");
  for (const b of q.bands) {
    const x = (t) => Math.min(left + width, Math.max(left, u.valToPos(t, "x", true)));
    const from = x(b.from);
    u.ctx.fillRect(from, top, Math.max(1, (b.to === null ? left + width : x(b.to)) - from), height);
  }
  u.ctx.restore();
}

// watermarks draws the high and the low one.
function watermarks(u, q) {
  if (!q.stats.highWatermark) return;
  const { left, width } = u.bbox;
  u.ctx.save();
  u.ctx.setLineDash([8, 6]);
  u.ctx.lineWidth = 2;
  for (const [name, n] of [["high", q.stats.highWatermark], ["low", q.stats.lowWatermark]]) {
    const y = u.valToPos(n, "y", true);
    u.ctx.strokeStyle = colour(name);
    u.ctx.beginPath();
    u.ctx.moveTo(left, y);
    u.ctx.lineTo(left + width, y);
    u.ctx.stroke();
  }
  u.ctx.restore();
}

const depth = chart($("depth"), [[1, "pending"], [2, "active"]], (q) => q.stats.highWatermark, (queue) => ({
  drawClear: [(u) => bands(u, queue())],
  draw: [(u) => watermarks(u, queue())],
}));
const rates = chart($("rates"), [[3, "pending"], [4, "active"], [5, "failed"]], () => 0);

/* Leases and dead letters, page by page. */

// paged keeps the rows of one table up to date. get asks for a page behind a
// mark and answers with its items and the mark of the next.
function paged(id, get, keyOf, make, update) {
  const body = $(id).tBodies[0];
  const more = $(`${id}-more`);
  let pages = 1;
  let running = false;
  let again = false;
  let timer = 0;
  const self = {
    begin() {
      pages = 1;
      self.say("");
      body.replaceChildren();
      self.refresh();
    },
    async refresh() {
      if (!selected || paused) return;
      if (running) {
        again = true;
        return;
      }
      running = true;
      const of = selected;
      try {
        const items = [];
        let next = "";
        for (let i = 0; i < pages && (i === 0 || next); i++) {
          const page = await get(of, next);
          items.push(...page.items);
          next = page.next;
        }
        if (of === selected && !paused) {
          fill(body, items, keyOf, make, update);
          more.hidden = !next;
        }
      } catch (e) {
        if (of === selected && source) self.say(e.message, true);
        if (e.message.startsWith("404")) look(); // the queue may be gone
      }
      running = false;
      if (again) {
        again = false;
        self.refresh();
      }
    },
    refreshSoon() {
      timer ||= setTimeout(() => {
        timer = 0;
        self.refresh();
      }, 250);
    },
    say(text, bad = false) {
      put($(`${id}-said`), text);
      $(`${id}-said`).classList.toggle("bad", bad);
    },
  };
  more.onclick = () => {
    pages++;
    self.refresh();
  };
  return self;
}

const cells = (row, texts) => texts.forEach((text, i) => put(row.children[i], text));
const where = (queue, after) => `queue=${encodeURIComponent(queue)}&limit=${pageSize}&after=${encodeURIComponent(after)}`;

let clockSkew = 0; // of the host against this machine, in milliseconds

const leases = paged("leases", async (queue, after) => {
  const answer = await ask(`taskqueue/leases?${where(queue, after)}`);
  clockSkew = Date.parse(answer.observedAt) - Date.now();
  return { items: answer.leases, next: answer.next ?? "" };
}, (l) => `${l.task}/${l.attempt}`, () => element("tr", {},
  element("th", { scope: "row" }), element("td", {}), element("td", { className: "n" }),
  element("td", { className: "n" }), element("td", { className: "n" })), (row, l) => {
  const now = Date.now() + clockSkew;
  cells(row, [
    l.task, l.owner ?? "", span((now - Date.parse(l.enqueuedAt)) / 1000), span((Date.parse(l.deadline) - now) / 1000),
    count(l.attempt),
  ]);
});

const letters = paged("dead", async (queue, after) => {
  const { deadLetters } = await ask(`taskqueue/deadletters?${where(queue, after || 0)}`);
  return { items: deadLetters, next: deadLetters.length === pageSize ? deadLetters.at(-1).number : "" };
}, (l) => l.number, (l) => {
  const error = element("td", { className: "error" },
    element("span", { className: "code", textContent: l.code ? `${l.code}: ` : "" }), l.error);
  const act = element("td", { className: "act" });
  for (const [verb, name] of [["redrive", "Redrive"], ["purge", "Purge"]]) {
    act.append(element("button", { type: "button", textContent: name, ariaLabel: `${name} ${l.task}`, onclick: () => change(verb, l) }));
  }
  return element("tr", {}, element("th", { scope: "row", textContent: l.task }), error,
    element("td", { className: "n", textContent: count(l.attempts) }), element("td", { textContent: l.owner ?? "" }),
    element("td", { textContent: new Date(l.enqueuedAt).toLocaleString() }), act);
}, (row) => {
  row.lastChild.hidden = !mutations;
  document.querySelector("#dead th.act").hidden = !mutations;
});

async function change(verb, letter) {
  if (verb === "purge" && !confirm(`Purge ${letter.task} for good?`)) return;
  try {
    await ask(`taskqueue/deadletters/${verb}?queue=${encodeURIComponent(letter.queue)}&task=${encodeURIComponent(letter.task)}`,
      { method: "POST" });
    letters.say(`${letter.task}: ${verb === "purge" ? "purged" : "redriven"}`);
  } catch (e) {
    letters.say(`${letter.task}: ${e.message}`, true);
  }
  letters.refresh();
}

// hold pauses the selected queue, or has it go on; the stream tells the outcome.
$("hold").onclick = async () => {
  const of = selected;
  const verb = queues.get(of)?.stats.paused ? "resume" : "pause";
  let said = verb === "pause" ? "paused: no tasks are leased" : "resumed";
  try {
    await ask(`taskqueue/${verb}?queue=${encodeURIComponent(of)}`, { method: "POST" });
  } catch (e) {
    said = e.message;
  }
  if (of === selected) put($("hold-said"), said);
};

/* Beginning. */

$("pause").onclick = () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  draw();
  leases.refresh();
  letters.refresh();
};

setInterval(() => {
  if (document.hidden || paused || !source) return;
  leases.refresh();
}, 2000);
setInterval(() => {
  if (document.hidden || paused || !source) return;
  letters.refresh();
  look();
}, 5000);

open();
