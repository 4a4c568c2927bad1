// pb itself: versions, where things are, what it uses, and every setting with where it came from.

import { bytes, card, facts, h, heading, line, moment, setLine } from "/dom.js";
import { act } from "/dialogs.js";
import { call, system } from "/net.js";

export function open(root, _args, app) {
  const content = h("div.stack");
  const text = h("input", { type: "search", placeholder: "Find a setting  ( / )", "aria-label": "Find a setting", oninput: filter });
  const rows = h("tbody");
  const reload = h("button.small", { type: "button", onclick: (event) => act({ method: "scheduler.reload", params: {}, button: event.currentTarget, done: "Read configuration and definition files again" }) }, "Reload configuration");
  root.append(heading("System", h("div.buttons", {}, reload)), content,
    h("section.card", { "aria-label": "Settings" }, h("div.bar", {}, h("h2", {}, "Settings"), text),
      h("div.scroll", { tabindex: "0", role: "region", "aria-label": "Settings" }, h("table.settings", {}, h("thead", {}, h("tr", {}, ["Setting", "Value", "From"].map((word) => h("th", { scope: "col" }, word)))), rows))));

  async function refresh() {
    const [found, settings, changes] = await Promise.all([system(), call("config.show"), call("audit.list", { n: 20 })]).catch((error) => {
      content.replaceChildren(h("p.card", {}, error.message));
      return [];
    });
    if (!found) return;
    const scheduler = app.state && app.state.scheduler;
    const memory = Object.entries(found.memory).map(([name, size]) => [name, size === null ? "does not run" : bytes(size)]);
    const used = 1 - found.disk.free / found.disk.total;
    content.replaceChildren(h("div.pair", {},
      card("Versions", facts([...Object.entries(found.versions), ...(scheduler && scheduler.running ? [["scheduler", `PID ${scheduler.pid}, ${scheduler.mode}`], ["up for", moment(scheduler.started_at, "-", "uptime")]] : [])])),
      card("Memory and disk", facts(memory), h("p", {}, h("meter", { min: 0, max: 1, high: 0.9, optimum: 0, value: used, "aria-label": "Disk in use" }), ` ${bytes(found.disk.free)} free of ${bytes(found.disk.total)}`))),
      h("div.pair", {}, card("Paths", facts(Object.entries(found.paths))), card("Last changes", audit(changes.changes))));
    rows.replaceChildren(...Object.entries(settings.settings).map(([name, value]) => h("tr", { "data-name": name }, h("td.mono", {}, name), h("td.mono", {}, told(value)), h(settings.origins[name] === "default" ? "td.muted" : "td", {}, settings.origins[name]))));
    filter();
  }

  function filter() {
    for (const row of rows.rows) row.hidden = !row.dataset.name.includes(text.value.toLowerCase());
  }

  refresh();
  const timer = setInterval(refresh, 10_000);
  return { search: text, show() {}, close() { clearInterval(timer); } };
}

function audit(changes) {
  if (!changes.length) return h("p.muted", {}, "Nobody has changed anything yet.");
  return h("ol.list", {}, changes.map((one) => {
    const row = line(one, null);
    setLine(row, ["still", "·"], [one.method, one.target].filter(Boolean).join(" "), [one.actor, one.face].filter(Boolean).join(" · "), one.at);
    return row;
  }));
}

const told = (value) => value === null ? "-" : typeof value === "object" ? JSON.stringify(value) : String(value);
