// All runs, and one run with its log as it grows.

import { badge, bytes, card, duration, empty, facts, h, heading, jobLink, moment, runList, runName, say, words, MARK } from "/dom.js";
import { cancelRun, jobActions } from "/dialogs.js";
import { logView } from "/log.js";
import { call } from "/net.js";

const SHOWS = { all: ["All", {}], open: ["Running", { states: ["queued", "starting", "running"] }], failed: ["Failed", { failed: true }], left: ["Skipped and missed", { states: ["skipped", "missed"] }] };
const PAGE = 100;

export function open(root, args, app) {
  const asked = { show: args.query.get("show") || "all", name: args.query.get("job") || "", n: PAGE };
  const shows = h("div.shows", { role: "group", "aria-label": "Which runs to show" }, Object.entries(SHOWS).map(([key, [word]]) =>
    h("button.show", { type: "button", "data-show": key, onclick: () => { asked.show = key; asked.n = PAGE; refresh(); } }, word)));
  const name = h("input", { type: "search", placeholder: "Of one job  ( / )", "aria-label": "Runs of one job", maxlength: 64, onchange: () => { asked.name = name.value.trim(); asked.n = PAGE; refresh(); } });
  name.value = asked.name;
  const list = h("ol.list.long", { id: "runs" });
  const none = h("p.empty.muted", { hidden: true }, "No runs.");
  const more = h("button.small", { type: "button", hidden: true, onclick: () => { asked.n += PAGE; refresh(); } }, "Show more");
  root.append(heading("Runs"), h("section.card", { "aria-label": "Runs" }, h("div.bar", {}, shows, name), list, none, h("p.pages", {}, more)));
  let turn = 0;

  async function refresh() {
    const mine = (turn += 1);
    for (const button of shows.children) button.setAttribute("aria-pressed", String(button.dataset.show === asked.show));
    const found = await call("job.history", { n: asked.n, ...SHOWS[asked.show][1], ...(asked.name ? { name: asked.name } : {}) }).catch((error) => {
      say(none, error.message);
      return { runs: [] };
    });
    if (mine !== turn) return;
    runList(list, found.runs);
    none.hidden = found.runs.length > 0;
    more.hidden = found.runs.length < asked.n;
  }

  refresh();
  return { search: name, show() {}, event: app.calmly((event) => { if (event === null || event.run_id || event.type.startsWith("run.")) refresh(); }) };
}

export function openOne(root, args) {
  const id = Number(args.name);
  const title = heading(`Run #${id}`);
  const top = h("div.stack");
  const page = { stamp: "" };
  const log = logView({ run: id }, { lines: 1000, label: `Log of run ${id}` });
  root.append(h("p.crumb", {}, h("a", { href: "#/runs" }, "Runs")), title, top, card("Log", log));

  async function refresh() {
    try {
      const { run } = await call("run.show", { run_id: id });
      if (JSON.stringify(run) === page.stamp) return;
      page.stamp = JSON.stringify(run);
      title.replaceChildren(h("h1", {}, `${runName(run)} #${id}`), badge(words(run.state), MARK[run.state][0]), buttons(run));
      top.replaceChildren(card("Facts", details(run)), ...(run.output ? [card("Result", h("pre.code", { tabindex: "0", "aria-label": "Result" }, JSON.stringify(run.output, null, 2)))] : []));
    } catch (error) {
      top.replaceChildren(h("div.card", {}, empty(error.message, h("p.muted", {}, error.hint || ""))));
    }
  }

  refresh();
  return { show() { if (!page.stamp) refresh(); }, event(event) { if (event === null || event.run_id === id) refresh(); }, close: log.close };
}

function buttons(run) {
  const open = !run.finished_at && ["queued", "starting", "running"].includes(run.state);
  return h("div.buttons", {}, open ? h("button.small.danger", { type: "button", onclick: (event) => cancelRun(run.run_id, runName(run), event.currentTarget) }, "Cancel") : null,
    run.job ? h("button.small", { type: "button", onclick: (event) => jobActions.run(run.job, event.currentTarget) }, "Run again") : null,
    run.job ? h("a.button.small", { href: jobLink(run.job) }, "The job") : null);
}

function details(run) {
  return facts([["Why", run.reason], ["Trigger", run.by ? `${run.trigger} by ${run.by}` : run.trigger], ["Fire time", moment(run.fire_time)], ["Started", run.started_at ? moment(run.started_at) : null],
    ["Ended", run.finished_at ? moment(run.finished_at) : null], ["Took", duration(run.duration_ms)], ["Late by", duration(run.lateness_ms)], ["Exit code", run.exit_code], ["Signal", run.signal],
    ["Attempt", run.attempt > 1 ? run.attempt : null], ["PID", run.pid], ["Memory, at most", run.max_rss_bytes ? bytes(run.max_rss_bytes) : null], ["Processor time", run.cpu_seconds === null ? null : `${run.cpu_seconds.toFixed(2)} s`]], "wide");
}
