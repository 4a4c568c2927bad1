// The past hours and the coming ones: what ran as bars, what fires as ticks.

import { empty, h, heading, jobLink, now, runLink, runName } from "/dom.js";
import { gantt } from "/charts.js";
import { call } from "/net.js";

const SPANS = { "1 h": 1, "6 h": 6, "24 h": 24 };
const ROWS = 30;

export function open(root, _args, app) {
  const asked = { hours: 1 };
  const shows = h("div.shows", { role: "group", "aria-label": "How far to look back and ahead" }, Object.entries(SPANS).map(([word, hours]) =>
    h("button.show", { type: "button", "data-hours": hours, onclick: () => { asked.hours = hours; refresh(); } }, `± ${word}`)));
  const picture = h("div");
  const legend = h("p.muted.legend", {}, [["good", "succeeded"], ["bad", "failed"], ["busy", "running"], ["warn", "missed"], ["still", "skipped, cancelled"]].map(([tone, word]) => h("span", {}, h("i", { tone }), word)), h("span", {}, h("i.coming"), "fires then"));
  root.append(heading("Timeline", shows), h("section.card", { "aria-label": "Timeline" }, picture, legend));

  async function refresh() {
    for (const button of shows.children) button.setAttribute("aria-pressed", String(Number(button.dataset.hours) === asked.hours));
    const [past, coming] = await Promise.all([call("job.history", { since: `${asked.hours}h`, n: 1000 }), call("job.schedule", { hours: asked.hours, n: ROWS })]).catch(() => []);
    if (!past) return;
    const until = now() + asked.hours * 3_600_000;
    const rows = rowsOf(past.runs, coming.jobs);
    await Promise.all(rows.filter((row) => row.planned).map(async (row) => {
      const next = await call("job.next", { name: row.name, n: 60 }).catch(() => ({ jobs: [] }));
      row.coming = (next.jobs[0]?.fire_times || []).map((time) => Date.parse(time.utc || time)).filter((at) => at < until);
    }));
    picture.replaceChildren(rows.length ? gantt(rows, now() - asked.hours * 3_600_000, until, now()) : empty("Nothing ran, and nothing is planned in these hours."));
  }

  const timer = setInterval(refresh, 30_000);
  refresh();
  return { show() {}, event: app.calmly((event) => { if (event === null || event.run_id || event.job) refresh(); }, 3_000), close() { clearInterval(timer); } };
}

// The busiest first are those with runs; then what is planned soonest.
function rowsOf(runs, jobs) {
  const rows = new Map();
  const row = (name, href) => rows.get(name) || rows.set(name, { name, href, runs: [], coming: [], planned: false }).get(name);
  for (const job of jobs) row(job.name, jobLink(job.name)).planned = true;
  for (const run of runs) row(runName(run), run.job ? jobLink(run.job) : runLink(run.run_id)).runs.push(run);
  return [...rows.values()].sort((a, b) => Number(b.runs.length > 0) - Number(a.runs.length > 0) || a.name.localeCompare(b.name)).slice(0, ROWS);
}
