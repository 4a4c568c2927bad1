// The shell: pages and how to reach them, the state they show, and what is said when it is old.

import { at, h, now, say, setClock, span, svg, tick, tint } from "/dom.js";
import * as net from "/net.js";
import * as addjob from "/addjob.js";
import * as events from "/events.js";
import * as graph from "/graph.js";
import * as job from "/job.js";
import * as jobs from "/jobs.js";
import * as overview from "/overview.js";
import * as queues from "/queues.js";
import * as runs from "/runs.js";
import * as services from "/services.js";
import * as statistics from "/statistics.js";
import * as system from "/system.js";
import * as timeline from "/timeline.js";

const SETTLE = 25;    // ms between an event and asking, so that a burst is one question
const CALM = 10_000;  // ms between questions when nothing is heard
const KEEN = 2_000;   // ms while the scheduler is away, or has just come back

// key, title, how it opens, how one of it opens, and its sign (paths in a square of 24)
const PAGES = [
  ["overview", "Overview", overview.open, null, "M3 11l9-7 9 7v9H3zM9 20v-6h6v6"],
  ["jobs", "Jobs", jobs.open, job.open, "M5 4h14v16H5zM9 9h6M9 13h6M9 17h3"],
  ["runs", "Runs", runs.open, runs.openOne, "M6 4l14 8-14 8z"],
  ["timeline", "Timeline", timeline.open, null, "M3 6h9M7 12h10M11 18h10"],
  ["services", "Services", services.open, services.openOne, "M4 4h16v6H4zM4 14h16v6H4zM8 7h.01M8 17h.01"],
  ["queues", "Queues", queues.open, null, "M4 6h16M4 12h16M4 18h10"],
  ["events", "Events", events.open, null, "M3 12h4l3-8 4 16 3-8h4"],
  ["graph", "Graph", graph.open, null, "M3 9h6v6H3zM15 3h6v6h-6zM15 15h6v6h-6zM9 12h3V6h3M12 12v6h3"],
  ["statistics", "Statistics", statistics.open, null, "M5 20v-7M12 20V4M19 20v-11"],
  ["system", "System", system.open, null, "M12 3a9 9 0 1 0 .01 0M12 8v5l3 2"],
];

const app = {
  state: null,
  asked: { text: "", show: "all", sort: "name", offset: 0, limit: 0 },
  look,
  // Calls at most once in a while, with the last event, or null once any of them was null.
  calmly(react, pause = 300) {
    let timer = 0;
    let last;
    return (event) => {
      last = timer && last === null ? null : event;
      timer ||= setTimeout(() => { timer = 0; react(last); }, pause);
    };
  },
};
const link = { reachable: false, live: false, closed: false, asking: false, again: false, timer: 0, changedAt: 0, awaySince: 0 };
let view = null;

// -- asking

async function look() {
  if (link.asking) {
    link.again = true;
    return;
  }
  Object.assign(link, { asking: true, again: false });
  clearTimeout(link.timer);
  try {
    take(await net.state(app.asked));
    link.reachable = true;
  } catch (error) {
    if (error.status === 401 || error.status === 403) return locked(error);
    link.reachable = false;
  }
  link.asking = false;
  draw();
  plan(link.again ? SETTLE : pause());
}

function take(state) {
  if (running(app.state) !== running(state)) link.changedAt = Date.now();
  if (state.problem) {
    link.awaySince ||= Date.now();
    if (app.state) state = { ...app.state, problem: state.problem, builtins: state.builtins, now_ms: state.now_ms };
  } else link.awaySince = 0;
  app.state = state;
  setClock(state.now_ms);
}

const running = (state) => Boolean(state && !state.problem && state.scheduler && state.scheduler.running);

function pause() {
  const calm = link.reachable && link.live && running(app.state) && Date.now() - link.changedAt > CALM;
  return calm ? CALM : KEEN;
}

function plan(wait) {
  clearTimeout(link.timer);
  link.timer = setTimeout(look, wait);
}

function soon() {
  if (link.asking) link.again = true;
  else plan(SETTLE);
}

function heard(event) {
  soon();
  view?.event?.(event);
}

// -- drawing

function draw() {
  showLink();
  showNotice();
  const old = !link.reachable || !app.state || Boolean(app.state.problem);
  document.body.classList.toggle("stale", old);
  if (!app.state) return;
  say(at("where"), app.state.home || "");
  view?.show(app.state);
  tick();
}

function showLink() {
  const [tone, word] = !link.reachable ? (app.state ? ["bad", "Reconnecting"] : ["wait", "Connecting"])
    : app.state.problem ? ["bad", "No answer"]
    : !running(app.state) ? ["bad", "Scheduler down"]
    : link.live ? ["good", "Live"] : ["wait", "Reconnecting"];
  say(at("link"), word);
  tint(at("link"), tone);
}

function showNotice() {
  const [title, text, command] = notice();
  at("notice").hidden = !title;
  say(at("notice-title"), title);
  say(at("notice-text"), text);
  say(at("notice-command"), command);
  at("notice-command").hidden = !command;
}

function notice() {
  const state = app.state;
  if (!state) return ["", "", ""];
  if (!link.reachable) return ["The debug server does not answer", "What you see is the last that was known. This page comes back by itself.", "pb debug web"];
  if (state.problem && state.problem.code === "unresponsive") return [`The scheduler does not answer since ${span((Date.now() - link.awaySince) / 1000)}; what runs goes on`, state.problem.hint || "", ""];
  if (state.problem) return [state.problem.message, state.problem.hint || "", ""];
  if (!state.scheduler.running) return ["The scheduler is not running", "Nothing is started until it is back; what runs goes on. Start it with:", "pb scheduler start"];
  return state.scheduler.notice ? ["The scheduler says", state.scheduler.notice, ""] : ["", "", ""];
}

// -- pages

function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [key, ...rest] = path.split("/");
  const name = decoded(rest.join("/"));
  const args = { name, query: new URLSearchParams(query) };
  const found = PAGES.find(([one]) => one === key) || PAGES[0];
  const [page, title, all, single] = found;
  const begin = key === "add-job" ? addjob.open : name && single ? single : all;
  view?.close?.();
  const root = h("div.view", { "data-route": location.hash });
  at("view").replaceChildren(root);
  view = begin(root, args, app);
  const shown = key === "add-job" ? "jobs" : page;
  for (const one of at("nav").querySelectorAll("a")) {
    if (one.dataset.key === shown) {
      one.setAttribute("aria-current", "page");
      at("nav").scrollLeft = one.offsetLeft - at("nav").clientWidth / 3;
    } else one.removeAttribute("aria-current");
  }
  document.title = `${name || title} · pb`;
  if (app.state) view.show(app.state);
  window.scrollTo(0, 0);
  soon();
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;  // somebody typed it; there is nothing of that name
  }
}

function navigate() {
  at("nav").append(h("ul", {}, PAGES.map(([key, title, , , path], index) => h("li", {},
    h("a", { href: `#/${key}`, "data-key": key, "aria-keyshortcuts": String((index + 1) % 10) },
      svg("svg", { viewBox: "0 0 24 24", width: 18, height: 18, "aria-hidden": "true" }, svg("path", { d: path })), h("span", {}, title))))));
}

// -- keys

const KEYS = [["1 – 9, 0", "open a page"], ["/", "find on this page"], ["j  k", "to the next or the previous line"], ["Enter", "open it"], ["Esc", "leave the search, close a window"], ["t", "dark or light"], ["?", "show this"]];

function help() {
  if (document.querySelector("dialog")) return;
  const close = () => { dialog.close(); dialog.remove(); };
  const dialog = h("dialog", { "aria-labelledby": "keys-title" }, h("h2", { id: "keys-title" }, "Keys"),
    h("dl.facts", {}, KEYS.map(([key, word]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, word)))),
    h("div.buttons", {}, h("button", { type: "button", onclick: close }, "Close")));
  dialog.addEventListener("cancel", close);
  document.body.append(dialog);
  dialog.showModal();
}

function keys(press) {
  const typing = press.target.matches("input, textarea, select");
  const dialog = document.querySelector("dialog");
  if (dialog && press.key === "Escape") {
    press.preventDefault();
    dialog.dispatchEvent(new Event("cancel", { cancelable: true }));
  }
  if (press.ctrlKey || press.metaKey || press.altKey || dialog) return;
  if (typing) {
    if (press.key === "Escape") leave(press.target);
    return;
  }
  const known = { "/": () => view?.search?.focus(), "?": help, j: () => step(1), k: () => step(-1), t: turn }[press.key];
  const page = /^[0-9]$/.test(press.key) ? PAGES[(Number(press.key) + 9) % 10] : null;
  if (!known && !page) return;
  press.preventDefault();
  if (known) known();
  else location.hash = `#/${page[0]}`;
}

function leave(field) {
  if (field.value) {
    field.value = "";
    field.dispatchEvent(new Event("input"));
    field.dispatchEvent(new Event("change"));
  }
  field.blur();
}

function step(by) {
  const rows = [...at("view").querySelectorAll("[data-row]")].filter((row) => row.offsetParent);
  const here = rows.indexOf(document.activeElement);
  const next = here < 0 ? (by > 0 ? 0 : rows.length - 1) : here + by;
  rows[Math.max(0, Math.min(rows.length - 1, next))]?.focus();
}

// -- dark and light

const dark = () => document.documentElement.dataset.theme === "dark" || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);

function turn() {
  const theme = dark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
  showTheme();
}

function showTheme() {
  const word = dark() ? "Light" : "Dark";
  say(at("theme"), word);
  at("theme").setAttribute("aria-label", `Switch to ${word.toLowerCase()} colours`);
}

// -- the way in

function locked(error) {
  clearTimeout(link.timer);
  link.closed = true;
  view?.close?.();
  view = null;
  document.body.classList.add("shut");
  const field = h("input", { id: "ticket", autocomplete: "off", spellcheck: "false", "aria-label": "Link", placeholder: "http://127.0.0.1:…/#ticket=…" });
  const wrong = h("p.wrong", { role: "alert", hidden: error.status !== 403 }, `${error.message}. ${error.hint || ""}`);
  const form = h("form.card.locked", { onsubmit: (event) => { event.preventDefault(); enter(field.value.split("ticket=").pop().trim()); } },
    h("h1", {}, "This dashboard is locked"), h("p", {}, "It can do what you can do, so only browsers that you let in see it. Type this in a terminal:"),
    h("p", {}, h("code", {}, "pb debug web --open")), h("p.muted", {}, "Or paste a link that ", h("code", {}, "pb debug link"), " prints:"), h("div.row", {}, field, h("button.primary", { type: "submit" }, "Open")), wrong);
  say(at("link"), "Locked");
  tint(at("link"), "wait");
  at("view").replaceChildren(form);
}

async function enter(ticket) {
  try {
    await net.login(ticket);
    location.hash = "#/overview";
    location.reload();
  } catch (error) {
    locked(Object.assign(error, { status: 403 }));
  }
}

async function begin() {
  document.documentElement.dataset.theme = localStorage.getItem("theme") || "";
  if (!document.documentElement.dataset.theme) delete document.documentElement.dataset.theme;
  navigate();
  showTheme();
  at("theme").addEventListener("click", turn);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
  at("help").addEventListener("click", help);
  document.addEventListener("keydown", keys);
  at("skip").addEventListener("click", (event) => { event.preventDefault(); at("main").focus(); });
  const ticket = location.hash.match(/^#ticket=(.+)/);
  if (ticket) {
    history.replaceState(null, "", "/");
    return enter(ticket[1]);
  }
  window.addEventListener("hashchange", () => { if (!link.closed) route(); });
  route();
  await look();
  if (link.closed) return;
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
  setInterval(() => { tick(); if (app.state && (app.state.problem || !link.reachable)) showNotice(); }, 1000);
  net.listen({
    open() { link.live = true; heard(null); },
    lost() { link.live = false; draw(); soon(); },
    look() { heard(null); },
    event: heard,
  });
}

begin();
