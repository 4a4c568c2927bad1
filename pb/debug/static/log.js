// A log that grows while one looks: polled, so that it survives restarts of everything else.

import { h, clock, keep } from "/dom.js";
import { log } from "/net.js";

const EVERY = 700;    // ms between looks while it may grow
const MOST = 3000;    // lines that are kept on the page

// `asked` is { run: 5 } or { service: "web" }. The answer is an element with `close`.
export function logView(asked, { lines = 500, label = "Log" } = {}) {
  const state = { next: null, timer: 0, closed: false, lines: new Map(), ended: false };
  const text = h("pre.log", { tabindex: "0", role: "log", "aria-label": label, "aria-live": "off" });
  const note = h("p.muted", { role: "status" }, "Reading…");
  const follow = toggle("Follow", true, () => { if (follow.on()) end(); });
  const wrap = toggle("Wrap", false, () => text.classList.toggle("wrap", wrap.on()));
  const times = toggle("Times", false, () => text.classList.toggle("timed", times.on()));
  const find = h("input", { type: "search", placeholder: "Find in these lines", "aria-label": "Find in these lines", oninput: draw });
  const box = h("div.log-view", {}, h("div.log-bar", {}, follow, wrap, times, find, note), text);

  const end = () => { text.scrollTop = text.scrollHeight; };

  async function look() {
    try {
      take(await log({ ...asked, ...(state.next === null ? { lines } : { after: state.next }) }));
    } catch (error) {
      note.textContent = error.code === "not_found" ? "There is no log." : error.message;
    }
    if (!state.closed && !state.ended) state.timer = setTimeout(look, document.hidden ? 5 * EVERY : EVERY);
  }

  function take(found) {
    if (!found.follows) state.lines.clear();
    for (const line of found.lines) state.lines.set(line.offset, line);
    const beyond = state.lines.size - MOST;
    if (beyond > 0) for (const offset of [...state.lines.keys()].slice(0, beyond)) state.lines.delete(offset);
    state.next = found.next;
    state.ended = found.ended && found.lines.length === 0 || found.ended && !found.exists;
    const known = !found.exists ? "nothing yet" : state.lines.size ? `${state.lines.size.toLocaleString("en")} ${state.lines.size === 1 ? "line" : "lines"}` : "empty";
    note.textContent = `${known}${found.ended ? " · ended" : " · live"}`;
    note.title = found.path;
    if (found.lines.length || !found.follows) draw();
  }

  function draw() {
    const needle = find.value.toLowerCase();
    const shown = [...state.lines.values()].filter((line) => !needle || line.text.toLowerCase().includes(needle));
    keep(text, shown, (line) => line.offset, () => h("span.log-line", {}, h("span.log-time"), h("span")), (row, line) => {
      const [time, words] = row.children;
      const told = line.at ? clock(line.at) : "";
      if (time.textContent !== told) time.textContent = told;
      if (words.textContent !== `${line.text}\n`) words.textContent = `${line.text}\n`;
    });
    if (follow.on()) end();
  }

  box.close = () => { state.closed = true; clearTimeout(state.timer); };
  look();
  return box;
}

function toggle(word, pressed, change) {
  const button = h("button.show", { type: "button", "aria-pressed": pressed, onclick: () => {
    button.setAttribute("aria-pressed", String(!button.on()));
    change();
  } }, word);
  button.setAttribute("aria-pressed", String(pressed));
  button.on = () => button.getAttribute("aria-pressed") === "true";
  return button;
}
