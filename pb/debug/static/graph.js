// Who waits for whom, of jobs and of services.

import { card, empty, h, heading, jobLink, serviceLink, MARK, SERVICE } from "/dom.js";
import { graph } from "/charts.js";
import { call } from "/net.js";

export function open(root, _args, app) {
  const content = h("div.stack");
  root.append(heading("Dependencies"), content);

  async function refresh() {
    const [deps, services] = await Promise.all([call("job.deps"), call("service.export")]).catch(() => []);
    if (!deps) return;
    const jobs = await Promise.all(deps.jobs.slice(0, 60).map((one) => call("job.show", { name: one.name }).then((shown) => shown.job, () => null)));
    content.replaceChildren(jobCard(deps.jobs, new Map(jobs.filter(Boolean).map((job) => [job.name, job]))), serviceCard(services.services, app.state ? app.state.services : []));
  }

  refresh();
  return { show() {}, event: app.calmly(refresh, 3_000) };
}

function jobCard(jobs, views) {
  if (!jobs.length) return card("Jobs", empty("No job waits for another.", h("p.muted", {}, "Give one a depends_on key: it then runs when the other has ended well.")));
  const nodes = jobs.map((one) => {
    const view = views.get(one.name);
    const result = view && (view.running ? "running" : view.last_result);
    return { id: one.name, name: one.name, kind: "job", state: result || "never ran", tone: (MARK[result] || ["still"])[0], href: jobLink(one.name) };
  });
  const edges = jobs.flatMap((one) => one.depends_on.map((needed) => ({ from: needed.job, to: one.name, word: `on ${needed.on}` })));
  return card("Jobs", graph(nodes, edges));
}

function serviceCard(definitions, views) {
  const edges = definitions.flatMap((one) => Object.entries(needs(one.depends_on)).map(([from, word]) => ({ from, to: one.name, word })));
  if (!edges.length) return card("Services", empty("No service waits for another."));
  const nodes = definitions.map((one) => {
    const view = views.find((other) => other.service === one.name);
    const state = view ? view.state : "unknown";
    return { id: one.name, name: one.name, kind: "service", state, tone: (SERVICE[state] || ["still"])[0], href: serviceLink(view ? view.name : one.name) };
  });
  return card("Services", graph(nodes, edges));
}

// `depends_on` is a list of names or of tables, or a table of names.
function needs(given) {
  if (!given) return {};
  if (Array.isArray(given)) return Object.fromEntries(given.map((one) => typeof one === "string" ? [one, "ready"] : [one.service || one.name, one.until || one.on || "ready"]));
  return Object.fromEntries(Object.entries(given).map(([name, word]) => [name, typeof word === "string" ? word : word.until || word.on || "ready"]));
}
