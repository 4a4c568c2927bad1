// How runs went: rates, durations, lateness, and when they ran.

import { card, count, duration, facts, h, heading, jobLink, moment } from "/dom.js";
import { calendar, periodBars } from "/charts.js";
import { call, state } from "/net.js";

const PAST = { day: "30d", week: "182d", month: "730d" };  // how far each looks back

export function open(root, _args, app) {
  const content = h("div.stack");
  const long = h("div.stack.long-run");
  const by = h("select", { "aria-label": "Period", onchange: () => refreshLong() }, Object.keys(PAST).map((key) => h("option", { value: key }, `by ${key}`)));
  root.append(heading("Statistics"), content, card("The long run", h("div.stack", {}, h("p", {}, by), long)));

  async function refreshLong() {
    const period = by.value;
    const found = await call("stats.periods", { by: period, since: PAST[period] }).catch(() => null);
    if (found && by.value === period) long.replaceChildren(...past(found));
  }

  async function refresh() {
    refreshLong();
    const top = (sort) => state({ sort, limit: 8, offset: 0, show: "all", text: "" }).then((found) => found.jobs.shown);
    const [stats, activity, slow, failing] = await Promise.all([call("job.stats"), call("job.activity", { since: "14d", bucket: "1h" }), top("-last_duration_ms"), top("-error_count")]).catch(() => []);
    if (!stats) return;
    const told = stats.is_complete ? `Of all ${count(stats.records)} runs that are kept` : `Of the newest ${count(stats.records)} runs`;
    content.replaceChildren(h("p.muted", {}, told, stats.since ? [", the oldest from ", moment(stats.since)] : "", "."),
      h("div.pair", {}, card("Last 7 days", summary(stats.last_7_days)), card("All", summary(stats.all))),
      card("Runs by hour, the last 14 days", calendar(activity.buckets)),
      h("div.pair", {}, card("Slowest last runs", ranking(slow.filter((job) => job.last_duration_ms !== null), (job) => duration(job.last_duration_ms))),
        card("Most errors", ranking(failing.filter((job) => job.error_count > 0), (job) => `${count(job.error_count)} of ${count(job.run_count)}`))));
  }

  refresh();
  return { show() {}, event: app.calmly((event) => { if (event === null || event.type.startsWith("run.")) refresh(); }, 5_000) };
}

function summary(one) {
  const spread = (found) => found && `${duration(found.p50)} · ${duration(found.p90 ?? found.p95)} · ${duration(found.max)}`;
  const rate = one.success_rate === null ? null : one.success_rate;
  return h("div", {}, h("p.rate", {}, h("strong", {}, rate === null ? "-" : `${(100 * rate).toFixed(rate === 1 ? 0 : 1)} %`), h("span.muted", {}, " succeeded"),
    rate === null ? null : h("meter", { min: 0, max: 1, low: 0.9, high: 0.98, optimum: 1, value: rate, "aria-label": "Success rate" })),
    facts([["Runs", count(one.runs)], ["Errors", count(one.errors)], ["Timeouts", count(one.timeouts)], ["Skips", count(one.skips)], ["Misses", count(one.misses)],
      ["Duration", spread(one.duration_ms)], ["Lateness", spread(one.lateness_ms)]]), h("p.muted.small-text", {}, "Durations: half of them, nine tenths, the longest. Lateness: half, 95 %, the most."));
}

function past(found) {
  const name = (one) => one.start.slice(0, found.by === "month" ? 7 : 10);
  if (!found.periods.length) return [h("p.muted", {}, "Nothing has run in that time.")];
  const rows = found.periods.slice(-12).reverse().map((one) => h("tr", {}, h("th", { scope: "row" }, name(one)),
    [count(one.runs), count(one.errors), count(one.skips), count(one.misses), one.success_rate === null ? "-" : `${(100 * one.success_rate).toFixed(1)} %`,
      duration(one.duration_ms?.p50), duration(one.duration_ms?.max)].map((text) => h("td.number", {}, text))));
  const heads = h("tr", {}, ["From", "Runs", "Errors", "Skips", "Misses", "Success", "Half took", "Longest"].map((text, place) => h(place ? "th.number" : "th", { scope: "col" }, text)));
  return [periodBars(whole(found), name), h("div.scroll", { tabindex: "0", role: "region", "aria-label": "Runs by period" }, h("table", {}, h("thead", {}, heads), h("tbody", {}, rows))),
    h("p.muted.small-text", {}, "Periods of UTC; runs that are gone count, too.")];
}

// The periods without runs as well, from the first that has some.
function whole(found) {
  const known = new Map(found.periods.map((one) => [one.start, one]));
  const all = [];
  for (const at = new Date(found.periods[0].start); at < new Date(found.until); next(at, found.by)) {
    const start = at.toISOString();
    all.push(known.get(start) || { start, runs: 0, errors: 0 });
  }
  return all;
}

function next(at, by) {
  if (by === "month") at.setUTCMonth(at.getUTCMonth() + 1);
  else at.setUTCDate(at.getUTCDate() + (by === "week" ? 7 : 1));
}

function ranking(jobs, value) {
  if (!jobs.length) return h("p.muted", {}, "None.");
  return h("ol.list", {}, jobs.map((job) => h("li", {}, h("span"), h("a.what", { href: jobLink(job.name), "data-row": true }, job.name), h("span.number", {}, value(job)))));
}
