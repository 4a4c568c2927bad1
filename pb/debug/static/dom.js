// The page's matter: elements, text, time and sizes. Every piece of data becomes text by
// textContent, never markup; rows are kept and changed in place, so that focus, selection and
// scrolling stay where the reader left them.

export const MARK = {
  succeeded: ["good", "✓"], failed: ["bad", "✗"], timed_out: ["bad", "✗"], lost: ["bad", "?"],
  cancelled: ["still", "■"], skipped: ["still", "↷"], missed: ["warn", "↷"],
  queued: ["wait", "…"], starting: ["busy", "▸"], running: ["busy", "▸"],
};
export const STATUS = { running: "busy", paused: "warn", disabled: "still", idle: "still" };
export const SERVICE = {
  running: ["good", "✓"], starting: ["busy", "▸"], stopping: ["busy", "■"], backoff: ["warn", "↻"],
  failed: ["bad", "✗"], dead: ["bad", "✗"], orphaned: ["warn", "?"], exited: ["still", "■"], stopped: ["still", "■"],
};

export const at = (id) => document.getElementById(id);

// h("button.small", { type: "button", onclick: go }, "Run")
export function h(name, props = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  dress(element, props);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function svg(name, props = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  if (classes.length) element.setAttribute("class", classes.join(" "));
  dress(element, props);
  element.append(...children.flat().filter(Boolean));
  return element;
}

function dress(element, props) {
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "tone") element.dataset.tone = value;
    else if (key === "title" && element instanceof SVGElement) element.append(svg("title", {}, value));
    else element.setAttribute(key, value === true ? "" : String(value));
  }
}

export function keep(parent, items, key, create, set = () => {}) {
  const old = new Map();
  for (const child of parent.children) old.set(child.dataset.key, child);
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let child = old.get(name);
    old.delete(name);
    if (!child) {
      child = create(item);
      child.dataset.key = name;
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    set(child, item);
  }
  for (const child of old.values()) child.remove();
}

export function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

export function hint(place, text) {
  if (place.title !== text) place.title = text;
}

export function tint(place, tone) {
  if (place.dataset.tone !== tone) place.dataset.tone = tone;
}

export function badge(text, tone) {
  return h("span.badge", { tone }, text);
}

export function empty(title, ...more) {
  return h("div.empty", {}, h("p.empty-title", {}, title), ...more);
}

export function card(title, ...children) {
  const id = `card-${(card.number = (card.number || 0) + 1)}`;
  return h("section.card", { "aria-labelledby": id }, h("h2", { id }, title), ...children);
}

export function heading(title, ...more) {
  return h("div.heading", {}, h("h1", {}, title), ...more);
}

export function facts(pairs, shape = "") {
  return h(`dl.facts${shape && `.${shape}`}`, {}, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value instanceof Node ? value : String(value)))));
}

// -- time

let skew = 0;  // ms that the server's clock is ahead of this one

export function setClock(serverNow) { skew = serverNow - Date.now(); }
export const now = () => Date.now() + skew;

export function tick() {
  for (const place of document.querySelectorAll("[data-at]")) {
    const seconds = (Number(place.dataset.at) - now()) / 1000;
    say(place, place.dataset.as === "uptime" ? span(-seconds) : ago(seconds));
  }
}

export function when(place, instant, otherwise = "-", as = "ago") {
  if (!instant) {
    delete place.dataset.at;
    hint(place, "");
    say(place, otherwise);
    return place;
  }
  const date = new Date(instant);
  const text = String(date.getTime());
  if (place.dataset.at === text && place.dataset.as === as) return place;
  place.dataset.at = text;
  place.dataset.as = as;
  hint(place, `${date.toLocaleString()} (${date.toISOString()})`);
  const seconds = (date.getTime() - now()) / 1000;
  say(place, as === "uptime" ? span(-seconds) : ago(seconds));
  return place;
}

export const moment = (instant, otherwise, as) => when(h("time", {}), instant, otherwise, as);

export function ago(seconds) {
  const size = Math.abs(seconds);
  if (size < 1) return "now";
  return seconds > 0 ? `in ${rough(size)}` : `${rough(size)} ago`;
}

function rough(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return both(seconds / 3600, "h", seconds % 3600 / 60, "min");
  return both(seconds / 86_400, "d", seconds % 86_400 / 3600, "h");
}

function both(large, unit, small, smaller) {
  const rest = Math.floor(small);
  return `${Math.floor(large)} ${unit}${rest ? ` ${rest} ${smaller}` : ""}`;
}

export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [d, hours, m, s] = [Math.floor(whole / 86_400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60, whole % 60];
  if (d) return `${d}d ${hours}h ${m}m`;
  if (hours) return `${hours}h ${m}m ${s}s`;
  return m ? `${m}m ${s}s` : `${s}s`;
}

export function duration(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : span(ms / 1000);
}

const two = (number) => String(number).padStart(2, "0");

export function clock(instant) {
  const date = new Date(instant);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export function day(instant) {
  const date = new Date(instant);
  return date.toLocaleDateString("en", { weekday: "short", day: "numeric", month: "short" });
}

// -- words

export function bytes(size) {
  if (size === null || size === undefined) return "-";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; size >= 1024 && unit < units.length - 1; unit += 1) size /= 1024;
  return `${size.toFixed(unit && size < 100 ? 1 : 0)} ${units[unit]}`;
}

export const count = (number) => Number(number).toLocaleString("en");
export const words = (state) => String(state).replaceAll("_", " ");
export const jobLink = (name) => `#/jobs/${encodeURIComponent(name)}`;
export const runLink = (id) => `#/runs/${id}`;
export const serviceLink = (name) => `#/services/${encodeURIComponent(name)}`;

export function short(trigger) {
  if (typeof trigger === "string") return trigger;
  switch (trigger.type) {
    case "cron": return trigger.expr;
    case "every": return `every ${trigger.every}`;
    case "at": return `at ${trigger.at}`;
    case "startup": return "at start-up";
    default: return String(trigger.type);
  }
}

export const schedule = (job) => job.triggers.map(short).join(", ") || "no trigger";

// -- a run, an event, in one line

export function line(item, href) {
  return h("li", {}, h("span.sign", { "aria-hidden": "true" }),
    h("div", {}, href ? h("a.what", { href, "data-row": true }) : h("span.what"), h("span.muted.clip")), h("time.muted.number"));
}

export function setLine(row, [tone, sign], title, text, instant) {
  const [mark, middle, right] = row.children;
  say(mark, sign);
  tint(mark, tone);
  say(middle.children[0], title);
  say(middle.children[1], text);
  hint(middle.children[1], text);
  when(right, instant);
}

export function runName(run) {
  return run.job || (run.command || []).join(" ") || "pb run";
}

export function setRun(row, run) {
  const ended = run.exit_code ? `exit code ${run.exit_code}` : run.signal ? `signal ${run.signal}` : "";
  const text = [words(run.state), duration(run.duration_ms), run.reason || ended].filter(Boolean).join(" · ");
  setLine(row, MARK[run.state] || ["still", "·"], `${runName(run)} #${run.run_id}`, text, run.finished_at || run.started_at || run.queued_at || run.fire_time);
}

export const runList = (place, runs) => keep(place, runs, (run) => run.run_id, (run) => line(run, runLink(run.run_id)), setRun);

const EVENT_MARK = {
  ...MARK, ready: ["good", "✓"], healthy: ["good", "✓"], unhealthy: ["bad", "✗"], invalid: ["bad", "!"], exited: ["warn", "■"],
  degraded: ["bad", "!"], started: ["busy", "▸"], paused: ["warn", "‖"], hook_failed: ["bad", "✗"],
};

export function eventMark(event) {
  return EVENT_MARK[event.type.split(".")[1]] || ["still", "·"];
}

export function eventLink(event) {
  if (event.run_id) return runLink(event.run_id);
  if (event.job && event.type !== "job.removed") return jobLink(event.job);
  return event.service && event.type !== "service.removed" ? serviceLink(event.service) : null;
}
