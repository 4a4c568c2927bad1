// All that the page says to the debug server. Nothing else here opens a connection.

const PATIENCE = 12_000;  // ms for what should be quick
const LONG = 100_000;     // ms for what waits for processes to end

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.title || `The debug server answered ${status}`);
    this.status = status;
    this.code = problem.code;
    this.hint = problem.hint || "";
  }
}

async function json(path, options = {}, patience = PATIENCE) {
  const answer = await fetch(path, { ...options, signal: AbortSignal.timeout(patience) });
  if (answer.ok) return answer.json();
  throw new Refused(answer.status, await answer.json().catch(() => ({})));
}

const post = (path, document) => json(path, {
  method: "POST",
  headers: { "content-type": "application/json", "x-pb-page": "1" },
  body: JSON.stringify(document),
}, LONG);

export const state = (asked) => json(`/state?${new URLSearchParams(asked)}`);
export const log = (asked) => json(`/log?${new URLSearchParams(asked)}`);
export const usage = () => json("/usage");
export const system = () => json("/system");
export const login = (ticket) => post("/login", { ticket });
export const call = (method, params = {}) => post("/call", { method, params });

// Listens for ever; a browser gives up for good on an answer that is no stream, we do not.
export function listen({ open, lost, look, event }) {
  const source = new EventSource("/events");
  source.onopen = open;
  source.onerror = () => {
    lost();
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen({ open, lost, look, event }), 2000);
  };
  source.addEventListener("event", (message) => event(JSON.parse(message.data)));
  source.addEventListener("look", look);
}
