// Small pictures of numbers. Each has a sentence for those who cannot see it.

import { bytes, clock, count, day, duration, h, MARK, svg, words, runLink, runName } from "/dom.js";

// A curve of the last samples: what it says, over what, and how to write a value.
export function spark(values, write, label, { width = 120, height = 28 } = {}) {
  const known = values.filter((value) => value !== null);
  const last = known.at(-1);
  if (known.length < 2) return h("span.spark", {}, h("span.muted.number", {}, last === undefined ? "…" : write(last)));
  const top = Math.max(...known, 1e-9) * 1.1;
  const step = width / (values.length - 1);
  const points = values.map((value, index) => [index * step, height - 1 - (height - 3) * (value ?? 0) / top]);
  const path = points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  return h("span.spark", {},
    svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, preserveAspectRatio: "none", role: "img", "aria-label": `${label}: ${write(last)}, at most ${write(Math.max(...known))}` },
      svg("path.area", { d: `${path}L${width} ${height}L0 ${height}Z` }), svg("path.curve", { d: path })),
    h("span.number", {}, write(last)));
}

export const memorySpark = (curve, size) => spark(curve.map((one) => one.rss_bytes), bytes, "Memory", size);
export const cpuSpark = (curve, size) => spark(curve.map((one) => one.cpu_percent), (value) => `${value.toFixed(value < 10 ? 1 : 0)} %`, "Processor", size);

// Durations and outcomes, the oldest first: a bar each.
export function durationBars(runs) {
  const ended = runs.filter((run) => run.finished_at || run.state === "skipped" || run.state === "missed").reverse();
  if (!ended.length) return h("p.muted", {}, "It has not run yet.");
  const most = Math.max(...ended.map((run) => run.duration_ms || 0), 1);
  const good = ended.filter((run) => run.state === "succeeded").length;
  const bars = ended.map((run) => {
    const told = [`#${run.run_id}`, words(run.state), duration(run.duration_ms), run.finished_at ? `${day(run.finished_at)} ${clock(run.finished_at)}` : ""].filter(Boolean).join(" · ");
    const bar = h("a", { href: runLink(run.run_id), tone: MARK[run.state][0], title: told, "aria-label": told });
    bar.style.height = `${Math.max(6, 100 * (run.duration_ms || 0) / most)}%`;
    return bar;
  });
  return h("figure.bars-figure", {},
    h("div.bars", { role: "group", "aria-label": "Durations of the last runs, the oldest first" }, bars),
    h("figcaption.muted", {}, `${good} of the last ${ended.length} succeeded · the longest took ${duration(most)}`));
}

// Periods, the oldest first, those without runs too: how many ran, and how many of them went wrong.
export function periodBars(periods, name) {
  const most = Math.max(...periods.map((one) => one.runs), 1);
  const bars = periods.map((one) => {
    const told = `${name(one)} · ${count(one.runs)} runs · ${count(one.errors)} errors`;
    const bad = h("i", { tone: "bad" });
    bad.style.height = `${one.runs ? Math.max(one.errors ? 8 : 0, 100 * one.errors / one.runs) : 0}%`;
    const bar = h("span", { title: told }, bad, h("span.unseen", {}, told));
    bar.style.height = `${one.runs ? Math.max(4, 100 * one.runs / most) : 1}%`;
    return bar;
  });
  return h("div.bars.periods", { role: "group", "aria-label": "Runs by period, the oldest first" }, bars);
}

// Rows of jobs over time: what ran as bars, what will as ticks. Times in epoch ms.
export function gantt(rows, from, until, now) {
  const place = (at) => `${(100 * (at - from) / (until - from)).toFixed(3)}%`;
  const hours = axis(from, until);
  const scale = h("div.gantt-row.gantt-scale", { "aria-hidden": "true" }, h("span"), h("div.track", {}, hours.map((at) => {
    const mark = h("span.hour", {}, clock(at).slice(0, 5));
    mark.style.left = place(at);
    return mark;
  })));
  const drawn = rows.map((row) => h("div.gantt-row", { role: "listitem" },
    h("a.clip", { href: row.href, title: row.name, "data-row": true }, row.name),
    h("div.track", {}, hours.map((at) => put(h("span.grid"), place(at))), put(h("span.now-line"), place(now)),
      row.runs.map((run) => bar(run, from, until, now, place)), row.coming.map((at) => tickOf(at, place)))));
  return h("div.gantt", { role: "list", "aria-label": "Runs and fire times by job" }, scale, drawn);
}

function put(element, left) {
  element.style.left = left;
  return element;
}

function bar(run, from, until, now, place) {
  const begun = Date.parse(run.started_at || run.queued_at || run.fire_time);
  const ended = run.finished_at ? Date.parse(run.finished_at) : now;
  const told = `${runName(run)} #${run.run_id} · ${words(run.state)} · ${clock(begun)}${run.duration_ms ? ` · ${duration(run.duration_ms)}` : ""}`;
  const element = put(h("a.bar", { href: runLink(run.run_id), tone: MARK[run.state][0], title: told, "aria-label": told }), place(Math.max(from, begun)));
  element.style.width = `${(100 * (Math.min(ended, until) - Math.max(from, begun)) / (until - from)).toFixed(3)}%`;
  return element;
}

function tickOf(at, place) {
  return put(h("span.coming", { title: `fires at ${clock(at)}` }), place(at));
}

function axis(from, until) {
  const hour = 3_600_000;
  const step = [0.25, 0.5, 1, 2, 4, 6, 12, 24].map((size) => size * hour).find((size) => (until - from) / size <= 9) || 24 * hour;
  const zone = new Date(from).getTimezoneOffset() * 60_000;
  const found = [];
  for (let at = Math.ceil((from - zone) / step) * step + zone; at < until; at += step) found.push(at);
  return found;
}

// Hours of the day by days: how many ran, and whether any went wrong.
export function calendar(buckets, days = 14) {
  const cells = new Map();
  for (const bucket of buckets) {
    const date = new Date(bucket.at);
    const key = `${date.toDateString()} ${date.getHours()}`;
    const cell = cells.get(key) || { runs: 0, bad: 0 };
    for (const [state, number] of Object.entries(bucket.runs)) {
      if (state !== "skipped") cell.runs += number;
      if (MARK[state] && MARK[state][0] === "bad") cell.bad += number;
    }
    cells.set(key, cell);
  }
  const most = Math.max(1, ...[...cells.values()].map((cell) => cell.runs));
  const body = [];
  for (let back = days - 1; back >= 0; back -= 1) {
    const date = new Date(Date.now() - back * 86_400_000);
    body.push(h("tr", {}, h("th", { scope: "row" }, day(date)), Array.from({ length: 24 }, (_, hour) => {
      const cell = cells.get(`${date.toDateString()} ${hour}`) || { runs: 0, bad: 0 };
      const told = `${day(date)} ${hour}:00 · ${count(cell.runs)} runs${cell.bad ? ` · ${count(cell.bad)} errors` : ""}`;
      const place = h("td", { title: told, tone: cell.bad ? "bad" : cell.runs ? "good" : null }, h("span.unseen", {}, `${cell.runs}${cell.bad ? `, ${cell.bad} errors` : ""}`));
      place.style.setProperty("--much", cell.runs ? String(0.25 + 0.75 * Math.sqrt(cell.runs / most)) : "0");
      return place;
    })));
  }
  const hours = h("tr", {}, h("td"), Array.from({ length: 24 }, (_, hour) => h("th", { scope: "col" }, hour % 6 ? h("span.unseen", {}, String(hour)) : String(hour))));
  return h("div.scroll", { tabindex: "0", role: "region", "aria-label": "Runs by day and hour" }, h("table.calendar", {}, h("thead", {}, hours), h("tbody", {}, body)));
}

// Nodes in layers, each below what it waits for; edges from what is needed to what needs it.
export function graph(nodes, edges) {
  const depth = depths(nodes, edges);
  const layers = [];
  for (const node of nodes) (layers[depth.get(node.id)] ||= []).push(node);
  const [wide, high, gapX, gapY] = [190, 44, 70, 18];
  const places = new Map();
  layers.forEach((layer, x) => layer.forEach((node, y) => places.set(node.id, [x * (wide + gapX) + 2, y * (high + gapY) + 2])));
  const width = layers.length * (wide + gapX) - gapX + 4;
  const height = Math.max(...layers.map((layer) => layer.length)) * (high + gapY) - gapY + 4;
  const lines = edges.filter((edge) => places.has(edge.from) && places.has(edge.to)).map((edge) => {
    const [[x1, y1], [x2, y2]] = [places.get(edge.from), places.get(edge.to)];
    const [left, right, middle] = [x1 + wide, x2, (x1 + wide + x2) / 2];
    return svg("path.edge", { d: `M${left} ${y1 + high / 2}C${middle} ${y1 + high / 2} ${middle} ${y2 + high / 2} ${right} ${y2 + high / 2}`, title: `${edge.to} waits for ${edge.from}: ${edge.word}` });
  });
  const boxes = nodes.map((node) => {
    const [x, y] = places.get(node.id);
    const name = node.name.length > 22 ? `${node.name.slice(0, 21)}…` : node.name;
    return svg("a.node", { href: node.href },
      svg("rect", { x, y, width: wide, height: high, rx: 10 }), svg("circle", { cx: x + 16, cy: y + high / 2, r: 5, tone: node.tone }),
      svg("text", { x: x + 30, y: y + 19 }, name), svg("text.small", { x: x + 30, y: y + 35 }, `${node.kind} · ${node.state}`));
  });
  return h("div.scroll", { tabindex: "0", role: "region", "aria-label": "Dependency graph" }, svg("svg.graph", { viewBox: `0 0 ${width} ${height}`, width, height }, lines, boxes));
}

function depths(nodes, edges) {
  const depth = new Map(nodes.map((node) => [node.id, 0]));
  for (let round = 0; round < nodes.length; round += 1) {
    let moved = false;
    for (const edge of edges) {
      if (depth.has(edge.from) && depth.has(edge.to) && depth.get(edge.to) <= depth.get(edge.from) && depth.get(edge.from) < nodes.length) {
        depth.set(edge.to, depth.get(edge.from) + 1);
        moved = true;
      }
    }
    if (!moved) break;
  }
  return depth;
}
