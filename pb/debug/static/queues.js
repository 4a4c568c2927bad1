// The queues: who has a slot, and who waits, first come first.

import { card, count, h, heading, runList } from "/dom.js";
import { call } from "/net.js";

export function open(root, _args, app) {
  const content = h("div.stack");
  root.append(heading("Queues"), content);

  async function refresh() {
    const [found, known] = await Promise.all([call("job.history", { n: 1000, states: ["queued", "starting", "running"] }), call("queue.list")]).catch(() => []);
    if (!found) return;
    const names = [...new Set(found.runs.map((run) => run.job).filter(Boolean))];
    const definitions = names.length ? (await call("job.export", { names }).catch(() => ({ jobs: [] }))).jobs : [];
    const queueOf = new Map(definitions.map((one) => [one.name, one.queue || "default"]));
    const runsOf = (queue) => found.runs.filter((run) => (queueOf.get(run.job) || "default") === queue.name);
    const bound = known.max_running ? `At most ${count(known.max_running)} runs at once, of all queues together. ` : "";
    content.replaceChildren(h("p.muted", {}, `${bound}A queue has one slot unless the setting scheduler.queues gives it more; "default" has no bound of its own.`),
      ...known.queues.map((queue) => one(queue, runsOf(queue))));
  }

  refresh();
  return { show() {}, event: app.calmly((event) => { if (event === null || event.run_id || event.type.startsWith("run.")) refresh(); }) };
}

function one(queue, runs) {
  const { name, slots: room } = queue;
  const waiting = runs.filter((run) => run.state === "queued").reverse();
  const running = runs.filter((run) => run.state !== "queued");
  const meter = room ? h("meter", { min: 0, max: room, value: Math.min(room, queue.running), "aria-label": `Slots of ${name} in use` }) : null;
  const list = h("ol.list");
  runList(list, [...running, ...waiting]);
  return card(name, h("p", {}, meter, meter ? " " : null, `${queue.running}${room ? ` of ${room}` : ""} running, ${queue.queued} waiting`, h("span.muted", {}, ` · ${count(queue.jobs)} ${queue.jobs === 1 ? "job" : "jobs"}`)), runs.length ? list : null);
}
