// How runs went: rates, durations, lateness, and when they ran.

import { card, count, duration, facts, h, heading, jobLink, moment } from "/dom.js";
import { calendar } from "/charts.js";
import { call, state } from "/net.js";

export function open(root, _args, app) {
  const content = h("div.stack");
  root.append(heading("Statistics"), content);

  async function refresh() {
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

function ranking(jobs, value) {
  if (!jobs.length) return h("p.muted", {}, "None.");
  return h("ol.list", {}, jobs.map((job) => h("li", {}, h("span"), h("a.what", { href: jobLink(job.name), "data-row": true }, job.name), h("span.number", {}, value(job)))));
}
