// One job: what it is, when it fires next, how it went, and what its last run wrote.

import { badge, card, clock, day, duration, empty, facts, h, heading, keep, moment, runList, schedule, words, MARK, STATUS } from "/dom.js";
import { durationBars } from "/charts.js";
import { jobActions } from "/dialogs.js";
import { logView } from "/log.js";
import { call } from "/net.js";

const HISTORY = 60;

export function open(root, args, app) {
  const name = args.name;
  const page = { log: null, logged: null, stamp: "" };
  const title = heading(name);
  const content = h("div.stack");
  root.append(h("p.crumb", {}, h("a", { href: "#/jobs" }, "Jobs")), title, content);
  const logs = h("div");

  async function refresh() {
    try {
      const [shown, past, next] = await Promise.all([call("job.show", { name }), call("job.history", { name, n: HISTORY }), call("job.next", { name, n: 8 })]);
      draw(shown, past.runs, next.jobs[0]);
    } catch (error) {
      content.replaceChildren(h("div.card", {}, empty(error.message, h("p.muted", {}, error.hint || ""))));
    }
  }

  function draw(shown, runs, next) {
    const stamp = JSON.stringify([shown, runs, next]);
    if (stamp === page.stamp) return;
    page.stamp = stamp;
    const job = shown.job;
    const held = document.activeElement && document.activeElement.dataset.act;
    title.replaceChildren(h("h1", {}, name), badge(job.state, STATUS[job.state] || "still"), actions(job));
    content.replaceChildren(
      h("div.pair", {}, scheduleCard(job, shown, next), card("Outcome", durationBars(runs), numbers(job))),
      logs,
      h("div.pair", {}, card("History", history(runs)), definition(shown)));
    showLog(runs.find((run) => run.log_path && run.started_at));
    if (held) content.parentNode.querySelector(`[data-act="${held}"]`)?.focus();
  }

  function showLog(run) {
    if (page.logged === (run ? run.run_id : 0)) return;
    page.logged = run ? run.run_id : 0;
    if (page.log) page.log.close();
    page.log = run ? logView({ run: run.run_id }, { lines: 300, label: `Log of run ${run.run_id}` }) : null;
    logs.replaceChildren(run ? card(`Log of the last run, #${run.run_id}`, page.log) : card("Log", h("p.muted", {}, "It has written nothing yet.")));
  }

  refresh();
  return {
    show() { if (page.stamp === "") refresh(); },
    event(event) { if (event === null || event.job === name) refresh(); },
    close() { if (page.log) page.log.close(); },
  };
}

function actions(job) {
  const button = (word, act, style = "button.small") => h(style, { type: "button", "data-act": act, onclick: async (event) => {
    const answer = await jobActions[act](job.name, event.currentTarget);
    if (answer && act === "remove") location.hash = "#/jobs";
  } }, word);
  return h("div.buttons", {}, button("Run now", "run", "button.small.primary"), job.paused ? button("Resume", "resume") : button("Pause", "pause"),
    job.enabled ? button("Disable", "disable") : button("Enable", "enable"), button("Remove", "remove", "button.small.danger"));
}

function scheduleCard(job, shown, next) {
  const times = (next && next.fire_times || []).map((time) => {
    const at = time.utc || time;
    return h("li", {}, h("span", {}, `${day(at)} ${clock(at)}`), moment(at));
  });
  return card("Schedule",
    h("ul.plain", {}, shown.explain.map((text) => h("li", {}, text))),
    h("p.muted.mono", {}, schedule(job)),
    (shown.notes || []).map((note) => h("p.note", {}, h("span", { "aria-hidden": "true" }, "◷ "), note)),
    job.paused ? h("p.note", {}, "Paused", job.pause_note ? `: ${job.pause_note}` : "", job.paused_until ? [" until ", moment(job.paused_until)] : "") : null,
    times.length ? h("ol.times", {}, times) : h("p.muted", {}, "It fires at no time to come."),
    facts([["Time zone", job.timezone]]));
}

function numbers(job) {
  return facts([["Runs", job.run_count], ["Successes", job.success_count], ["Errors", job.error_count], ["Timeouts", job.timeout_count || null],
    ["Skips", job.skip_count || null], ["Misses", job.miss_count || null], ["Retries", job.retry_count || null], ["Last error", job.last_error]]);
}

function history(runs) {
  if (!runs.length) return h("p.muted", {}, "It has not run yet.");
  const list = h("ol.list");
  runList(list, runs.slice(0, 30));
  return list;
}

function definition(shown) {
  return card("Definition", facts([["From", shown.source], ["Added", moment(shown.created_at)], ["Changed", moment(shown.updated_at)]]),
    h("pre.code", { tabindex: "0", "aria-label": "Definition" }, JSON.stringify(shown.definition, null, 2)));
}
