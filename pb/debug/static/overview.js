// What needs somebody first, then what runs now, then what comes next.

import { badge, bytes, card, count, duration, eventLink, eventMark, h, heading, jobLink, keep, line, moment, runList, runName, say, serviceLink, setLine, tint, words, MARK, SERVICE } from "/dom.js";
import { jobActions, serviceActions } from "/dialogs.js";
import { log } from "/net.js";

export function open(root) {
  const figures = h("div.figures");
  const attention = h("ul.attention");
  const calm = h("p.calm", {}, h("span.sign", { tone: "good", "aria-hidden": "true" }, "✓"), " Nothing needs you.");
  const running = h("ol.list");
  const idle = h("p.empty.muted", {}, "Nothing runs at this moment.");
  const coming = h("ol.list");
  const none = h("p.empty.muted", {}, "Nothing is planned.");
  const strip = h("div.strip", { role: "img" });
  const recent = h("ol.list");
  const events = h("ol.list");
  const first = h("div.card.empty", { hidden: true }, h("p.empty-title", {}, "No jobs yet."), h("p.muted", {}, "Add the first one here, or type this in a terminal:"), h("code", {}, "pb job add hello --every 1m -- echo hello"), h("p", {}, h("a.button.primary", { href: "#/add-job" }, "Add a job")));
  const needs = card("Needs attention", calm, attention);
  needs.id = "needs";
  root.append(heading("Overview"), figures, first, needs,
    h("div.pair", {}, card("Running now", running, idle), card("Coming next", coming, none)),
    h("div.pair", {}, card("Recent runs", strip, recent), card("Events", events)));
  const tails = new Map();

  return {
    show(state) {
      showFigures(figures, state);
      first.hidden = state.jobs.total > 0 || state.services.length > 0 || Boolean(state.problem);
      const found = needing(state, tails);
      keep(attention, found, (one) => one.key, newNeed, setNeed);
      calm.hidden = found.length > 0 || Boolean(state.problem);
      runList(running, state.open_runs);
      idle.hidden = state.open_runs.length > 0;
      keep(coming, state.jobs.coming, (job) => job.name, (job) => line(job, jobLink(job.name)), (row, job) => setLine(row, ["still", "◷"], job.name, "", job.next_run));
      none.hidden = state.jobs.coming.length > 0;
      showStrip(strip, state.runs);
      runList(recent, state.runs.filter((run) => run.finished_at || !run.started_at).slice(0, 10));
      keep(events, state.events.slice(0, 12), (event) => event.seq, (event) => line(event, eventLink(event)), (row, event) => setLine(row, eventMark(event), event.text || event.type, [event.type, event.by].filter(Boolean).join(" · "), event.at));
    },
  };
}

function showFigures(place, state) {
  const counts = state.jobs.counts;
  const up = state.services.filter((service) => service.state === "running").length;
  const wanted = state.services.filter((service) => service.desired === "running").length;
  const running = state.scheduler ? state.scheduler.counts.running : 0;
  const queued = state.scheduler ? state.scheduler.counts.queued : 0;
  const figures = [
    ["jobs", count(state.jobs.total), "still", "#/jobs"],
    ["runs now", queued ? `${count(running)} + ${count(queued)}` : count(running), running ? "busy" : "still", "#/runs"],
    ["jobs failing", count(counts.failing), counts.failing ? "bad" : "still", "#/jobs?show=failing"],
    ["paused", count(counts.paused), counts.paused ? "warn" : "still", "#/jobs?show=paused"],
    ["services up", state.services.length ? `${up} of ${wanted}` : "0", up < wanted ? "bad" : "still", "#/services"],
    ["free on disk", state.disk ? bytes(state.disk.free) : "-", state.disk && state.disk.is_low ? "bad" : "still", "#/system"],
  ];
  keep(place, figures, ([name]) => name, ([, , , href]) => h("a.figure", { href }, h("strong"), h("span.muted")), (box, [name, value, tone]) => {
    say(box.children[0], value);
    say(box.children[1], name);
    tint(box, tone);
  });
}

function showStrip(place, runs) {
  const ended = runs.filter((run) => run.finished_at || MARK[run.state][0] === "warn" || run.state === "skipped").reverse();
  keep(place, ended, (run) => run.run_id, () => h("span"), (dot, run) => {
    tint(dot, (MARK[run.state] || ["still"])[0]);
    dot.title = `${runName(run)} #${run.run_id}: ${words(run.state)}`;
  });
  const good = ended.filter((run) => run.state === "succeeded").length;
  place.setAttribute("aria-label", `${good} of the last ${ended.length} runs succeeded`);
  place.hidden = ended.length === 0;
}

// -- what needs attention: each with what it is, why, and what can be done about it

function needing(state, tails) {
  return [
    ...(state.disk && state.disk.is_low ? [{ key: "disk", tone: "bad", title: "The disk is nearly full", why: `${bytes(state.disk.free)} are free where the home is`, href: "#/system" }] : []),
    ...state.services.filter((one) => ["failed", "dead", "orphaned"].includes(one.state) || one.health === "unhealthy").map((one) => failedService(one, tails)),
    ...state.services.filter((one) => one.state === "backoff").map((one) => ({ key: `s-${one.name}`, tone: "warn", title: `Service ${one.name} waits to start again`, why: one.reason || "", at: one.next_start_at, href: serviceLink(one.name) })),
    ...(state.file_problems || []).map((text, index) => ({ key: `file-${index}-${text}`, tone: "bad", title: "A definition file has a mistake", why: text, href: null })),
    ...state.jobs.failing.map((job) => ({ key: `j-${job.name}`, tone: "bad", title: `Job ${job.name} ${words(job.last_result)}`, why: job.last_error || "", at: job.last_run, href: jobLink(job.name), action: ["Run again", (button) => jobActions.run(job.name, button)] })),
    ...missed(state),
    ...state.jobs.paused.map((job) => ({ key: `p-${job.name}`, tone: "warn", title: `Job ${job.name} is paused`, why: job.pause_note || "", at: job.paused_at, href: jobLink(job.name), action: ["Resume", (button) => jobActions.resume(job.name, button)] })),
  ];
}

function missed(state) {
  const seen = new Set();
  return state.runs.filter((run) => run.state === "missed" && run.job && !seen.has(run.job) && seen.add(run.job)).map((run) => ({
    key: `m-${run.run_id}`, tone: "warn", title: `Job ${run.job} missed ${run.fire_count > 1 ? `${count(run.fire_count)} fire times` : "a fire time"}`, why: run.reason || "", at: run.finished_at || run.fire_time, href: jobLink(run.job),
  }));
}

function failedService(one, tails) {
  const reason = one.health === "unhealthy" ? one.health_reason || "its health probe fails" : one.reason || (one.last_exit && one.last_exit.reason) || "";
  const word = one.health === "unhealthy" ? "is unhealthy" : one.state === "failed" ? "has failed" : `is ${one.state}`;
  const since = `${one.name} ${one.since}`;
  if (!tails.has(since)) {
    tails.set(since, []);
    log({ service: one.name, lines: 4 }).then((found) => tails.set(since, found.lines.map((row) => row.text)), () => {});
  }
  const action = one.state === "failed" ? ["Reset and start", (button) => serviceActions.reset(one.name, button)] : null;
  return { key: `s-${one.name}`, tone: "bad", title: `Service ${one.name} ${word}`, why: reason, tail: tails.get(since), at: one.since, href: serviceLink(one.name), action };
}

function newNeed(one) {
  const title = one.href ? h("a.what", { href: one.href, "data-row": true }) : h("span.what");
  const button = h("button.small", { type: "button" });
  const row = h("li", {}, h("span.sign", { "aria-hidden": "true" }), h("div", {}, title, h("p.muted"), h("pre.tail", { hidden: true })), h("time.muted.number"), h("div.buttons", {}, button));
  button.addEventListener("click", () => row.one.action[1](button));
  return row;
}

function setNeed(row, one) {
  row.one = one;
  const [mark, middle, time, buttons] = row.children;
  say(mark, one.tone === "bad" ? "✗" : "!");
  tint(mark, one.tone);
  say(middle.children[0], one.title);
  say(middle.children[1], one.why);
  middle.children[1].hidden = !one.why;
  const tail = (one.tail || []).join("\n");
  middle.children[2].hidden = !tail;
  say(middle.children[2], tail);
  time.replaceChildren(one.at ? moment(one.at) : "");
  buttons.hidden = !one.action;
  if (one.action && !buttons.firstElementChild.disabled) say(buttons.firstElementChild, one.action[0]);
}
