// The services: pb's own three and the user's, with what they use; and one of them with its log.

import { badge, card, empty, facts, h, heading, keep, moment, say, serviceLink, tint, when, words, SERVICE } from "/dom.js";
import { cpuSpark, memorySpark } from "/charts.js";
import { serviceActions } from "/dialogs.js";
import { logView } from "/log.js";
import { call, usage } from "/net.js";

const TITLES = { scheduler: "Scheduler", gateway: "Gateway", debug: "Debug server" };
const EVERY = 2_000;  // ms between looks at what they use

export function open(root) {
  const own = h("tbody", { role: "rowgroup" });
  const builtin = h("tbody", { role: "rowgroup" });
  const none = empty("No services yet.", h("p.muted", {}, "Type this in a terminal; it appears here at once:"), h("code", {}, "pb service add web -- python3 -m http.server"));
  const table = tableOf(own, "Services", true);
  root.append(heading("Services"), h("section.card", { "aria-label": "Your services" }, table, none), card("pb itself", tableOf(builtin, "pb's own daemons", false)));
  const curves = watch((found) => { for (const row of [...own.rows, ...builtin.rows]) setUsage(row, found); });
  return {
    close: curves.stop,
    show(state) {
      keep(own, state.services, (one) => one.name, (one) => newRow(one, true), setRow);
      keep(builtin, state.builtins.map(asService), (one) => one.name, (one) => newRow(one, false), setRow);
      table.hidden = state.services.length === 0;
      none.hidden = state.services.length > 0;
      curves.again();
    },
  };
}

const asService = (one) => ({ restarts: null, health: "none", desired: "running", ...one, reason: one.state === "running" ? one.address || "" : one.reason || `pb service start ${one.name}` });

// Asks what they use every two seconds until it is stopped; `draw` gets all curves by name.
function watch(draw) {
  const state = { curves: {}, stopped: false, timer: 0 };
  async function look() {
    if (!document.hidden) {
      const found = await usage().catch(() => null);
      if (found) state.curves = found.services;
      if (!state.stopped) draw(state.curves);
    }
    if (!state.stopped) state.timer = setTimeout(look, EVERY);
  }
  look();
  return { stop() { state.stopped = true; clearTimeout(state.timer); }, again() { draw(state.curves); } };
}

const COLUMNS = ["Service", "State", "Uptime", "Restarts", "Memory", "Processor"];

function tableOf(body, label, acts) {
  const heads = [...COLUMNS.map((word) => h("th", { role: "columnheader", scope: "col" }, word)), h("th", { role: "columnheader", scope: "col" }, h("span.unseen", {}, acts ? "Actions" : "Log"))];
  return h("table.cards-when-small.services", { role: "table", "aria-label": label }, h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)), body);
}

function newRow(one, acts) {
  const cells = COLUMNS.map((word) => h("td", { role: "cell", "data-label": word }));
  cells[0].append(h("a.strong", { href: serviceLink(one.name), "data-row": true }, TITLES[one.name] || one.name), h("span.muted.clip"));
  cells[1].append(badge("", "still"), h("span.health.muted"));
  return h("tr", { role: "row" }, cells, h("td.actions", { role: "cell" }, acts ? [button("start", one.name), button("stop", one.name), button("restart", one.name), button("reset", one.name)] : null));
}

const WORDS = { start: "Start", stop: "Stop", restart: "Restart", reset: "Reset", reload: "Reload" };

function button(act, name, style = "button.small") {
  return h(style, { type: "button", "data-act": act, "aria-label": `${WORDS[act]} ${name}`, onclick: (event) => serviceActions[act](name, event.currentTarget) }, WORDS[act]);
}

function setRow(row, one) {
  const [name, state, uptime, restarts, , , actions] = row.cells;
  say(name.children[1], [one.pid ? `PID ${one.pid}` : "", one.reason || one.status || "", one.changed ? "runs an older definition" : ""].filter(Boolean).join(" · "));
  setState(state.children[0], one);
  say(state.children[1], ["none", "unknown", "starting"].includes(one.health) ? "" : one.health);
  when(uptime, one.pid ? one.started_at : null, "-", "uptime");
  say(restarts, one.restarts === null ? "-" : String(one.restarts));
  for (const one_ of actions.children) if (!one_.disabled) one_.hidden = !may(one, one_.dataset.act);
}

function setState(place, one) {
  const [tone, sign] = SERVICE[one.state] || ["still", "·"];
  say(place, `${sign} ${words(one.state)}`);
  tint(place, one.health === "unhealthy" ? "bad" : tone);
}

function may(one, act) {
  const up = ["running", "starting", "backoff", "orphaned"].includes(one.state);
  if (act === "start") return !up && one.state !== "stopping";
  if (act === "reset") return one.state === "failed";
  return up;
}

function setUsage(row, found) {
  const curve = found[row.dataset.key];
  row.cells[4].replaceChildren(curve ? memorySpark(curve) : "-");
  row.cells[5].replaceChildren(curve ? cpuSpark(curve) : "-");
}

// -- one service

export function openOne(root, args, app) {
  const name = args.name;
  const title = heading(TITLES[name] || name);
  const top = h("div.stack");
  const memory = h("div.curve-box");
  const cpu = h("div.curve-box");
  const log = logView({ service: name }, { lines: 500, label: `Log of ${name}` });
  const more = h("div.stack");
  root.append(h("p.crumb", {}, h("a", { href: "#/services" }, "Services")), title, top, h("div.pair", {}, card("Memory", memory), card("Processor", cpu)), card("Log", log), more);
  const curves = watch((found) => {
    const curve = found[name];
    memory.replaceChildren(curve ? memorySpark(curve, { width: 480, height: 70 }) : "It does not run.");
    cpu.replaceChildren(curve ? cpuSpark(curve, { width: 480, height: 70 }) : "It does not run.");
  });
  const page = { stamp: "", reloads: false };

  function draw(one, acts) {
    const stamp = JSON.stringify({ ...one, uptime_seconds: null });
    if (stamp === page.stamp) return;
    page.stamp = stamp;
    const held = document.activeElement && document.activeElement.dataset.act;
    const state = badge("", "still");
    setState(state, one);
    const buttons = acts ? ["start", "stop", "restart", "reload", "reset"].map((act) => button(act, name, act === "stop" ? "button.small.danger" : "button.small")) : [];
    for (const one_ of buttons) one_.hidden = !may(one, one_.dataset.act) || (one_.dataset.act === "reload" && !page.reloads);
    title.replaceChildren(h("h1", {}, TITLES[name] || name), state, h("div.buttons", {}, buttons));
    top.replaceChildren(card("Facts", facts([["Why", one.reason], ["Says", one.status], ["Health", one.health === "none" ? null : [one.health, one.health_reason].filter(Boolean).join(": ")], ["Wanted", one.desired], ["PID", one.pid],
      ["Up for", one.pid && one.started_at ? moment(one.started_at, "-", "uptime") : null], ["Restarts", one.restarts], ["Starts again", one.next_start_at ? moment(one.next_start_at) : null],
      ["Last end", one.last_exit ? h("span", {}, `${one.last_exit.reason || ""} `, moment(one.last_exit.at)) : null], ["Address", one.address], ["Groups", (one.groups || []).join(", ")],
      ["Definition", one.changed ? "changed since it was started; restart it to use the new one" : null], ["From", one.source]], "wide")));
    if (held) title.querySelector(`[data-act="${held}"]`)?.focus();
    if (acts) definition();
  }

  async function definition() {
    const shown = await call("service.show", { name }).catch(() => null);
    if (!shown) return;
    page.reloads = Boolean(shown.definition.reload);
    const reload = title.querySelector("[data-act=reload]");
    if (reload) reload.hidden = !page.reloads || shown.service.pid === null;
    more.replaceChildren(card("Definition", h("pre.code", { tabindex: "0", "aria-label": "Definition" }, JSON.stringify(shown.definition, null, 2))));
  }

  return {
    close() { curves.stop(); log.close(); },
    show(state) {
      const own = state.services.find((one) => one.name === name);
      const builtin = state.builtins.find((one) => one.name === name);
      if (own) draw(own, true);
      else if (builtin) draw(asService(builtin), false);
      else if (!state.problem) top.replaceChildren(h("div.card", {}, empty(`There is no service ${name}.`)));
    },
  };
}
