// A form for a new job. What is wrong is said by the server, which checks as for everybody else.

import { card, clock, day, h, heading, jobLink } from "/dom.js";
import { toast } from "/dialogs.js";
import { call } from "/net.js";

const HINTS = { cron: "30 2 * * *", every: "15m", at: "2030-01-31T18:00:00Z" };
const WORDS = { every: "Every", cron: "Cron expression", at: "Once, at", none: "Only by hand" };

export function open(root, _args, app) {
  const name = field("name", "Name", { placeholder: "backup-home", maxlength: 64, required: true });
  const command = field("command", "Command", { placeholder: "/usr/local/bin/backup --all", required: true });
  const kind = h("select", { id: "kind", onchange: () => choose() }, Object.entries(WORDS).map(([key, word]) => h("option", { value: key }, word)));
  const rule = field("rule", "How often", {});
  const zone = field("timezone", "Time zone", { placeholder: "local" });
  const timeout = field("timeout", "Timeout", { placeholder: "none, or 30m" });
  const note = field("description", "Description", { placeholder: "what it is for" });
  const shell = h("input", { type: "checkbox", id: "shell" });
  const replace = h("input", { type: "checkbox", id: "replace" });
  const wrong = h("div.wrong", { role: "alert", hidden: true });
  const preview = h("div", { role: "status" });
  const button = h("button.primary", { type: "submit" }, "Add the job");
  const form = h("form", { novalidate: true, onsubmit: send },
    name.box, command.box, h("label.check", {}, shell, " Run it in a shell (pipes, globs, variables)"),
    h("div.row", {}, h("label.field", {}, h("span", {}, "When"), kind), rule.box, zone.box),
    h("div.row", {}, timeout.box, note.box), h("label.check", {}, replace, " Replace the job of that name, if there is one"),
    wrong, preview, h("div.buttons", {}, button, h("button", { type: "button", onclick: check }, "Check it"), h("a.button", { href: "#/jobs" }, "Cancel")));
  root.append(h("p.crumb", {}, h("a", { href: "#/jobs" }, "Jobs")), heading("Add a job"), card("New job", form));
  choose();
  name.input.focus();

  function choose() {
    rule.box.hidden = kind.value === "none";
    zone.box.hidden = kind.value !== "cron";
    rule.input.placeholder = HINTS[kind.value] || "";
  }

  function definition() {
    const made = { name: name.input.value.trim(), command: shell.checked ? [command.input.value] : split(command.input.value) };
    if (shell.checked) made.shell = true;
    if (kind.value === "cron") made.triggers = [{ type: "cron", expr: rule.input.value.trim() }];
    if (kind.value === "every") made.triggers = [{ type: "every", every: rule.input.value.trim() }];
    if (kind.value === "at") made.triggers = [{ type: "at", at: rule.input.value.trim() }];
    for (const [key, one] of [["timezone", zone], ["timeout", timeout], ["description", note]]) {
      if (one.input.value.trim() && !one.box.hidden) made[key] = one.input.value.trim();
    }
    return made;
  }

  async function check() {
    await attempt(async () => {
      await call("job.apply", { definitions: [definition()], source: "cli", dry_run: true });
      preview.replaceChildren(h("p.note", {}, "Nothing is wrong with it."));
    });
  }

  async function send(event) {
    event.preventDefault();
    await attempt(async () => {
      const answer = await call("job.add", { definition: definition(), replace: replace.checked });
      const next = answer.fire_times[0];
      toast(`${answer.created ? "Added" : "Replaced"} ${answer.job.name}`, { hint: [answer.explain.join("; "), next ? `next ${day(next)} ${clock(next)}` : "", ...answer.notes].filter(Boolean).join(" · ") });
      location.hash = jobLink(answer.job.name);
    });
  }

  async function attempt(what) {
    wrong.hidden = true;
    preview.replaceChildren();
    button.disabled = true;
    try {
      await what();
    } catch (error) {
      wrong.replaceChildren(h("pre", {}, error.message), error.hint ? h("p", {}, error.hint) : "");
      wrong.hidden = false;
    }
    button.disabled = false;
  }

  return { show() {} };
}

function field(id, label, props) {
  const input = h("input", { id, autocomplete: "off", spellcheck: "false", ...props });
  return { input, box: h("label.field", {}, h("span", {}, label), input) };
}

// Words as a shell would split them: quotes and backslashes, nothing else.
export function split(text) {
  const found = [];
  const pattern = /(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/g;
  for (const [word] of text.matchAll(pattern)) {
    found.push(word.replace(/'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/g, (_, single, double, one) => single ?? double?.replace(/\\(["\\])/g, "$1") ?? one));
  }
  return found;
}
