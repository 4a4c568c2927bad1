// Asking before something is done, saying that it was, and offering to take it back.

import { at, h } from "/dom.js";
import { call } from "/net.js";

const STAYS = 8_000;  // ms of a message; one that can be undone stays longer

// Resolves to true or false; Escape is no.
export function confirm({ title, text, yes, danger = false }) {
  return new Promise((done) => {
    const close = (answer) => { dialog.close(); dialog.remove(); done(answer); };
    const dialog = h("dialog", { "aria-labelledby": "confirm-title" },
      h("h2", { id: "confirm-title" }, title), text ? h("p", {}, text) : null,
      h("div.buttons", {},
        h("button", { type: "button", onclick: () => close(false) }, "Cancel"),
        h(danger ? "button.danger" : "button.primary", { type: "button", id: "confirm-yes", onclick: () => close(true) }, yes)));
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); close(false); });
    document.body.append(dialog);
    dialog.showModal();
    dialog.querySelector("#confirm-yes").focus();
  });
}

export function toast(text, { tone = "good", hint = "", undo = null, word = "Undo" } = {}) {
  const gone = () => box.remove();
  const box = h("div.toast", { tone }, h("div", {}, h("p", {}, text), hint ? h("p.muted", {}, hint) : null),
    undo ? h("button", { type: "button", onclick: () => { gone(); undo(); } }, word) : null,
    h("button.close", { type: "button", "aria-label": "Dismiss", onclick: gone }, "×"));
  at("toasts").append(box);
  while (at("toasts").children.length > 4) at("toasts").firstChild.remove();
  setTimeout(gone, undo || tone === "bad" ? 2 * STAYS : STAYS);
}

export function complain(error) {
  toast(error.message, { tone: "bad", hint: error.hint });
}

// One thing done by a method of the registry: asked about, carried out, told, and perhaps undone.
export async function act({ ask = null, method, params, doing = "", done, undo = null, button = null }) {
  if (ask && !(await confirm(ask))) return null;
  const label = button && button.textContent;
  if (button) {
    button.disabled = true;
    if (doing) button.textContent = doing;
  }
  try {
    const answer = await call(method, params);
    const refused = (answer.services || []).find((one) => one.ok === false);
    if (refused) toast(`${refused.name}: ${refused.reason || refused.state}`, { tone: "bad" });
    else toast(typeof done === "function" ? done(answer) : done, undo || {});
    return answer;
  } catch (error) {
    complain(error);
    return null;
  } finally {
    if (button) {
      button.disabled = false;
      if (doing) button.textContent = label;
    }
  }
}

const back = (method, params, done) => ({ undo: () => act({ method, params, done }) });

export const jobActions = {
  run: (name, button) => act({ method: "job.run", params: { name }, doing: "Starting…", button, done: `Started ${name}`,
    undo: { word: "Cancel it", ...back("job.cancel", { name }, `Cancelled ${name}`) } }),
  pause: (name, button) => act({ method: "job.pause", params: { name }, button, done: `Paused ${name}`,
    undo: back("job.resume", { name }, `Resumed ${name}`) }),
  resume: (name, button) => act({ method: "job.resume", params: { name }, button, done: `Resumed ${name}`,
    undo: back("job.pause", { name }, `Paused ${name}`) }),
  enable: (name, button) => act({ method: "job.enable", params: { name }, button, done: `Enabled ${name}`,
    undo: back("job.disable", { name }, `Disabled ${name}`) }),
  disable: (name, button) => act({ method: "job.disable", params: { name }, button, done: `Disabled ${name}`,
    undo: back("job.enable", { name }, `Enabled ${name}`) }),
  remove: (name, button) => act({ method: "job.remove", params: { name }, button, done: `Removed ${name}; its history stays`,
    undo: back("job.restore", { name }, `Brought ${name} back`),
    ask: { title: `Remove ${name}?`, text: "It can be brought back, here for a moment, later with pb job restore. Its history stays.", yes: "Remove", danger: true } }),
};

export const cancelRun = (id, name, button) => act({ method: "run.cancel", params: { run_id: id }, doing: "Cancelling…", button, done: `Cancelled ${name} #${id}`,
  ask: { title: `Cancel ${name} #${id}?`, text: "Its processes are asked to end, and killed if they do not.", yes: "Cancel the run", danger: true } });

const started = (name) => ({ method: "service.start", params: { names: [name], wait: "started", timeout: 20 }, done: `Started ${name}` });
const stopped = (name) => ({ method: "service.stop", params: { names: [name] }, done: `Stopped ${name}` });

export const serviceActions = {
  start: (name, button) => act({ ...started(name), doing: "Starting…", button, undo: { undo: () => act(stopped(name)) } }),
  stop: (name, button) => act({ ...stopped(name), doing: "Stopping…", button, undo: { word: "Start again", undo: () => act(started(name)) },
    ask: { title: `Stop ${name}?`, text: "It stays stopped until somebody starts it again.", yes: "Stop", danger: true } }),
  restart: (name, button) => act({ method: "service.restart", params: { names: [name], wait: "started", timeout: 30 }, doing: "Restarting…", button, done: `Restarted ${name}`,
    ask: { title: `Restart ${name}?`, text: "It is away for a moment, and comes back with its present definition.", yes: "Restart" } }),
  reload: (name, button) => act({ method: "service.reload", params: { name }, button, done: `${name} reads its configuration again`,
    ask: { title: `Reload ${name}?`, text: "It reads its own configuration again, as its `reload` key says.", yes: "Reload" } }),
  reset: (name, button) => act({ method: "service.reset", params: { names: [name] }, button, done: `Forgot the failures of ${name}` }),
};
