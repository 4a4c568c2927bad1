// What happened, as it happens: by kind, and searched.

import { eventLink, eventMark, h, heading, keep, line, setLine } from "/dom.js";
import { call } from "/net.js";

const KINDS = { all: "All", run: "Runs", job: "Jobs", service: "Services", scheduler: "Scheduler", file: "Files" };
const MOST = 1000;
const SHOWN = 300;

export function open(root, args) {
  const known = new Map();
  const asked = { kind: args.query.get("kind") || "all", text: "", live: true };
  const shows = h("div.shows", { role: "group", "aria-label": "Which events to show" }, Object.entries(KINDS).map(([key, word]) =>
    h("button.show", { type: "button", "data-kind": key, onclick: () => { asked.kind = key; draw(); } }, word)));
  const live = h("button.show", { type: "button", "aria-pressed": "true", onclick: () => { asked.live = !asked.live; live.setAttribute("aria-pressed", String(asked.live)); if (asked.live) refresh(); } }, "Live");
  const text = h("input", { type: "search", placeholder: "Search  ( / )", "aria-label": "Search events", oninput: () => { asked.text = text.value.toLowerCase(); draw(); } });
  const list = h("ol.list.long", { id: "events", "aria-label": "Events, the newest first" });
  const none = h("p.empty.muted", { hidden: true }, "No such event.");
  root.append(heading("Events"), h("section.card", { "aria-label": "Events" }, h("div.bar", {}, shows, live, text), list, none));

  function draw() {
    for (const button of shows.children) button.setAttribute("aria-pressed", String(button.dataset.kind === asked.kind));
    const found = [...known.values()].filter(matches).sort((a, b) => b.seq - a.seq).slice(0, SHOWN);
    keep(list, found, (event) => event.seq, (event) => line(event, eventLink(event)), (row, event) => setLine(row, eventMark(event), event.text || event.type, [event.type, event.by].filter(Boolean).join(" · "), event.at));
    none.hidden = found.length > 0;
  }

  function matches(event) {
    const told = `${event.type} ${event.text || ""} ${event.job || ""} ${event.service || ""}`.toLowerCase();
    return (asked.kind === "all" || event.type.startsWith(`${asked.kind}.`)) && told.includes(asked.text);
  }

  async function refresh() {
    const found = await call("events.recent", { n: MOST }).catch(() => ({ events: [] }));
    for (const event of found.events) known.set(event.seq, event);
    draw();
  }

  refresh();
  return {
    search: text,
    show() {},
    event(event) {
      if (!asked.live) return;
      if (event === null || event.seq === null || event.seq === undefined) refresh();
      else { known.set(event.seq, event); draw(); }
    },
  };
}
