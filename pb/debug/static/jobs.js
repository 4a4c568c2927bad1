// All jobs: found, filtered, sorted and cut into pages by the server.

import { badge, count, duration, h, heading, hint, jobLink, keep, say, schedule, tint, when, words, MARK, STATUS } from "/dom.js";
import { jobActions } from "/dialogs.js";

const SHOWS = { all: "All", running: "Running", failing: "Failing", paused: "Paused" };
const COLUMNS = [["name", "Job"], ["state", "Status"], ["last_run", "Last run"], ["next_run", "Next run"], ["run_count", "Runs"], ["error_count", "Errors"], ["last_duration_ms", "Last outcome"]];
const NUMBERS = ["run_count", "error_count"];
const PAGE = 100;

export function open(root, args, app) {
  Object.assign(app.asked, { text: "", show: "all", sort: "name", offset: 0, limit: PAGE, ...Object.fromEntries(args.query) });
  const shows = h("div.shows", { role: "group", "aria-label": "Which jobs to show" });
  const text = h("input", { id: "text", type: "search", placeholder: "Filter by name  ( / )", maxlength: 64, autocomplete: "off", spellcheck: "false", "aria-label": "Filter jobs by name", oninput: () => choose({ text: text.value, offset: 0 }) });
  text.value = app.asked.text;
  const head = h("tr", { role: "row" });
  const body = h("tbody", { role: "rowgroup" });
  const table = h("table.cards-when-small", { id: "job-table", role: "table", "aria-label": "Jobs" }, h("thead", { role: "rowgroup" }, head), body);
  const none = h("div.empty", { id: "no-jobs", hidden: true });
  const previous = h("button.small", { type: "button", onclick: () => turn(-1) }, "Previous");
  const next = h("button.small", { type: "button", onclick: () => turn(1) }, "Next");
  const told = h("span", { id: "more", role: "status" });
  root.append(heading("Jobs", h("a.button.primary", { href: "#/add-job" }, "Add a job")),
    h("section.card", { "aria-label": "Jobs" }, h("div.bar", {}, shows, text), table, none, h("p.pages", {}, told, previous, next)));

  function choose(change) {
    Object.assign(app.asked, change);
    app.look();
    draw();
  }
  function turn(by) {
    choose({ offset: Math.max(0, app.asked.offset + by * PAGE) });
    root.scrollIntoView();
  }
  function draw() {
    const jobs = app.state && app.state.jobs;
    keep(shows, Object.keys(SHOWS), (key) => key, (key) => h("button.show", { type: "button", onclick: () => choose({ show: key, offset: 0 }) }, h("span", {}, SHOWS[key]), " ", h("span.count")), (button, key) => {
      say(button.children[1], jobs ? count(jobs.counts[key]) : "");
      button.setAttribute("aria-pressed", String(app.asked.show === key));
    });
    keep(head, [...COLUMNS, ["", "Actions"]], ([key]) => key, ([key, word]) => newHead(key, word, choose, app), (cell, [key]) => setHead(cell, key, app.asked.sort));
  }
  draw();

  return {
    search: text,
    close() { Object.assign(app.asked, { text: "", show: "all", sort: "name", offset: 0, limit: 0 }); },
    show(state) {
      draw();
      const jobs = state.jobs;
      keep(body, jobs.shown, (job) => job.name, newJob, setJob);
      table.hidden = jobs.shown.length === 0;
      none.hidden = jobs.shown.length > 0 || Boolean(state.problem);
      say(none, jobs.total === 0 ? "No jobs yet." : "No job matches this filter.");
      const last = jobs.offset + jobs.shown.length;
      say(told, jobs.matching ? `${count(Math.min(jobs.offset + 1, last))} to ${count(last)} of ${count(jobs.matching)} jobs` : "");
      previous.hidden = jobs.offset === 0;
      next.hidden = last >= jobs.matching;
      if (jobs.shown.length === 0 && jobs.offset > 0) turn(-1);
    },
  };
}

function newHead(key, word, choose, app) {
  const place = h(NUMBERS.includes(key) ? "th.number" : "th", { role: "columnheader", scope: "col" });
  if (!key) place.append(h("span.unseen", {}, word));
  else place.append(h("button.sort", { type: "button", onclick: () => choose({ sort: app.asked.sort === key ? `-${key}` : key, offset: 0 }) }, word));
  return place;
}

function setHead(cell, key, sort) {
  const way = sort === key ? "ascending" : sort === `-${key}` ? "descending" : "none";
  if (key) cell.setAttribute("aria-sort", way);
}

function newJob(job) {
  const cells = COLUMNS.map(([key, word]) => h(NUMBERS.includes(key) ? "td.number" : "td", { role: "cell", "data-label": word }));
  const [name, status, , , , , outcome] = cells;
  name.append(h("a.strong", { href: jobLink(job.name), "data-row": true }, job.name), h("span.muted.clip.schedule"));
  status.append(badge("", "still"));
  outcome.append(h("span.outcome", {}, h("span.sign"), " ", h("span")), h("span.error.clip"));
  const row = h("tr", { role: "row" }, cells, h("td.actions", { role: "cell" }));
  const button = (word, name) => h("button.small", { type: "button", "data-act": name, "aria-label": `${word} ${job.name}`, onclick: (event) => jobActions[event.currentTarget.dataset.act](job.name, event.currentTarget) }, word);
  row.lastChild.append(button("Run", "run"), button("Pause", "pause"));
  return row;
}

function setJob(row, job) {
  const [name, status, last, next, runs, errors, outcome, actions] = row.cells;
  const planned = schedule(job);
  say(name.children[1], planned);
  hint(name.children[1], job.timezone && job.timezone !== "local" ? `${planned} (${job.timezone})` : planned);
  say(status.children[0], job.state);
  tint(status.children[0], STATUS[job.state] || "still");
  when(last, job.last_run, "Never");
  when(next, job.paused ? null : job.next_run, "-");
  say(runs, count(job.run_count));
  say(errors, count(job.error_count));
  errors.classList.toggle("some", job.error_count > 0);
  setOutcome(outcome, job);
  setPause(actions.children[1], job);
  if (row.dataset.seen && row.dataset.seen !== String(job.last_run)) flash(row);
  row.dataset.seen = String(job.last_run);
}

function setPause(button, job) {
  if (button.disabled) return;
  const word = job.paused ? "Resume" : "Pause";
  say(button, word);
  button.dataset.act = word.toLowerCase();
  button.setAttribute("aria-label", `${word} ${job.name}`);
}

function setOutcome(cell, job) {
  const [told, error] = cell.children;
  const [tone, sign] = MARK[job.last_result] || ["still", ""];
  say(told.children[0], sign);
  tint(told.children[0], tone);
  const word = job.last_result === "succeeded" ? "in" : "after";
  const took = job.last_result && job.last_duration_ms !== null ? ` ${word} ${duration(job.last_duration_ms)}` : "";
  say(told.children[1], job.last_result ? `${words(job.last_result)}${took}` : "-");
  const failed = tone === "bad" && job.last_error;
  say(error, failed ? job.last_error : "");
  hint(error, failed ? job.last_error : "");
  error.hidden = !failed;
}

function flash(row) {
  row.classList.remove("flash");
  requestAnimationFrame(() => row.classList.add("flash"));
}
