// One change from question to outcome: what a dry run says, the guards, the reason, the confirmation.
//
// The revision seen goes along as If-Match. One attempt has one Idempotency-Key: after a lost reply the
// same change is sent again under the same key, and happens once.

import { newKey, ofSwitch, post, Problem, read, Unreachable } from "./api.js";
import { h, say, show, toast } from "./dom.js";
import { legend, looks, shareBar, sharesOf } from "./pools.js";
import { touch } from "./state.js";
import { duration } from "./words.js";

/** A flip that lowers TTLs first waits for caches. */
const LONG_PATIENCE_MS = 15 * 60_000;

/**
 * Opens the dialog of one change. `spec` is `{ switch, title, intro, path, fields(view), body(form, view), reason, confirm,
 * danger }`: `fields` makes the inputs, `body` reads them (a string says what is wrong,
 * `unsaid` what needs a reason first), `reason` is `needed` or `optional`.
 */
export function openChange(spec) {
  const change = { spec, view: null, revision: null, trial: null, problem: null, wrong: null, gently: false, wrote: false, busy: false, key: null, sent: null, turn: 0, timer: null };
  const dialog = frame(change);
  document.body.append(dialog);
  const form = dialog.querySelector("form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    commit(change, dialog);
  });
  form.addEventListener("input", (event) => {
    spec.linked?.(form, event.target);
    change.wrote ||= event.target.name === "reason";
    if (!["reason", "force"].includes(event.target.name)) unforce(change, dialog);
    soon(change, dialog, event.target.name === "reason" ? 400 : 150);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]")) dialog.close();
  });
  dialog.addEventListener("close", () => {
    clearTimeout(change.timer);
    change.turn = Infinity;
    dialog.remove();
  });
  dialog.showModal();
  ready(change, dialog);
}

function frame({ spec }) {
  return h("dialog", { class: "change", "aria-labelledby": "change-title" },
    h("form", { novalidate: true },
      h("h2", { id: "change-title" }, spec.title),
      spec.intro ? h("p", { class: "muted" }, spec.intro) : null,
      h("div", { class: "fields" }),
      h("div", { class: "trial", "aria-live": "polite" }, h("p", { class: "muted" }, "Asking what would change…")),
      h("div", { class: "reasonfield" },
        h("label", { for: "change-reason" }, spec.reason === "needed" ? "Reason" : "Reason (optional)"),
        h("input", { id: "change-reason", name: "reason", maxlength: "1000", autocomplete: "off", placeholder: "Stands in the history, for the next person on call", required: spec.reason === "needed" })),
      h("div", { class: "forcefield" }),
      h("div", { class: "buttons" },
        h("button", { type: "button", "data-close": true }, "Cancel"),
        h("button", { type: "submit", class: spec.danger ? "danger" : "primary", id: "change-confirm", disabled: true }, spec.confirm))));
}

/** Reads the switch, makes the inputs, asks for the first time. */
async function ready(change, dialog) {
  try {
    await look(change);
  } catch (problem) {
    show(dialog.querySelector(".trial"), h("p", { class: "error" }, `Cannot read the switch: ${problem.message}`));
    return;
  }
  const fields = change.spec.fields?.(change.view) ?? [];
  dialog.querySelector(".fields").append(...[fields].flat(3).filter(Boolean));
  (dialog.querySelector(".fields input:checked, .fields input[type=number], .fields select") ?? dialog.querySelector("#change-reason")).focus();
  ask(change, dialog);
}

async function look(change) {
  const { answer, revision } = await read(ofSwitch(change.spec.switch));
  change.view = answer;
  change.revision = revision;
}

function soon(change, dialog, ms) {
  // What is shown no longer belongs to what is filled in.
  change.trial = null;
  draw(change, dialog);
  clearTimeout(change.timer);
  change.timer = setTimeout(() => ask(change, dialog), ms);
}

/** Something else is wanted: what was to be forced, and why it was refused, belongs to what was wanted before. */
function unforce(change, dialog) {
  change.problem = null;
  dialog.querySelector(".forcefield").replaceChildren();
}

/** What would be sent, or what is missing. */
function wish(change, dialog) {
  const form = dialog.querySelector("form");
  const reason = form.elements.reason.value.trim();
  const force = form.elements.force?.checked ?? false;
  const body = change.spec.body(form, change.view);
  if (typeof body === "string") return { wrong: body };
  const unsaid = body.unsaid ?? (force && !reason ? "Forcing needs a reason." : null);
  // What nobody had the time to write yet is no mistake.
  if (unsaid) return { wrong: unsaid, gently: !change.wrote };
  return { body: { ...body, ...(reason ? { reason } : {}), ...(force ? { force } : {}) }, reason, force };
}

/** The dry run. */
async function ask(change, dialog) {
  const mine = ++change.turn;
  const wanted = wish(change, dialog);
  change.wrong = wanted.wrong ?? null;
  change.gently = wanted.gently ?? false;
  if (change.wrong) {
    // A guard that was met stays in view while its reason is written.
    change.trial = null;
    return draw(change, dialog);
  }
  try {
    const trial = await post(ofSwitch(change.spec.switch, change.spec.path), { body: { ...wanted.body, dry_run: true }, revision: change.revision });
    if (mine !== change.turn) return;
    [change.trial, change.problem] = [trial, wanted.force ? change.problem : null];
  } catch (problem) {
    if (mine !== change.turn) return;
    change.trial = null;
    if (problem.status === 412) return stale(change, dialog);
    change.problem = problem;
    if (problem.body?.wait_ms) change.timer = setTimeout(() => ask(change, dialog), problem.body.wait_ms + 50);
  }
  draw(change, dialog);
}

/** Somebody else changed something since: looks again, and asks again. */
async function stale(change, dialog, committing = false) {
  change.trial = null;
  try {
    await look(change);
  } catch (problem) {
    change.problem = problem;
    return draw(change, dialog);
  }
  if (committing) say("The state changed while you looked at it. Nothing was done. Look again and confirm.");
  change.note = committing ? "The state changed while you looked at it, so nothing was done. This is what would change now:" : change.note;
  ask(change, dialog);
}

async function commit(change, dialog) {
  const wanted = wish(change, dialog);
  if (change.busy || !change.trial || wanted.wrong) return;
  if (change.spec.reason === "needed" && !wanted.reason) {
    [change.wrong, change.gently] = ["A reason is needed: it stands in the history.", false];
    draw(change, dialog);
    dialog.querySelector("#change-reason").focus();
    return;
  }
  const text = JSON.stringify([wanted.body, change.revision]);
  if (change.sent !== text) [change.sent, change.key] = [text, newKey()];
  change.busy = true;
  clearTimeout(change.timer);
  draw(change, dialog);
  const options = { body: wanted.body, revision: change.revision, key: change.key, patience: wanted.body.prepare ? LONG_PATIENCE_MS : undefined };
  try {
    const done = await post(ofSwitch(change.spec.switch, change.spec.path), options);
    dialog.close();
    toast(outcome(change.spec, done), done.applied ? "good" : "warn");
    touch([change.spec.switch]);
    return;
  } catch (problem) {
    change.busy = false;
    // The next press of the button is a new attempt, unless nobody knows how this one ended.
    if (!(problem instanceof Unreachable)) change.sent = null;
    if (problem instanceof Problem && problem.status === 412) return stale(change, dialog, true);
    change.problem = problem;
    if (problem instanceof Problem) change.trial = null;
  }
  draw(change, dialog);
}

function outcome(spec, done) {
  if (!done.changed) return `${spec.done}: nothing had to change.`;
  const old = done.old_answers_expire_in_ms ? ` Old answers expire within ${duration(done.old_answers_expire_in_ms)}.` : "";
  const applied = done.applied ? "" : " Not every worker answers from it yet.";
  return `${spec.done}: revision ${done.revision}.${applied}${old}`;
}

function draw(change, dialog) {
  if (!dialog.isConnected) return;
  const { spec, trial, problem, wrong, gently, busy } = change;
  show(dialog.querySelector(".trial"),
    change.note ? h("p", { class: "note warn" }, change.note) : null,
    problem ? refusal(problem) : null,
    wrong ? h("p", { class: gently ? "muted" : "error", id: "change-wrong" }, wrong) : null,
    trial ? preview(change) : problem || wrong ? null : h("p", { class: "muted" }, "Asking what would change…"));
  const force = dialog.querySelector(".forcefield");
  if (problem?.forceable && !force.hasChildNodes()) {
    show(force, h("label", { class: "check" }, h("input", { type: "checkbox", name: "force" }), h("span", {}, "Force it over this guard. The reason is needed, and both stand in the history.")));
  }
  const confirm = dialog.querySelector("#change-confirm");
  const forced = dialog.querySelector("[name=force]")?.checked;
  confirm.disabled = busy || !trial;
  confirm.textContent = busy ? "Waiting…" : `${forced ? "Force: " : ""}${spec.confirm}`;
  confirm.classList.toggle("danger", Boolean(spec.danger || forced));
}

function refusal(problem) {
  if (problem instanceof Unreachable) {
    return h("p", { class: "note bad", role: "alert" }, h("b", {}, "▲ No answer. "), "It is not known whether the change happened. Confirm again: it carries the same key, so it cannot happen twice.");
  }
  const how = problem.guard
    ? problem.forceable ? "Force would override this guard." : "This guard cannot be forced."
    : "";
  return h("div", { class: "note bad", role: "alert" },
    h("b", {}, problem.guard ? `✕ Refused by a guard (${problem.guard})` : `✕ ${problem.body?.title ?? "Refused"}`),
    h("p", {}, problem.message), how ? h("p", { class: "small" }, how) : null,
    (problem.body?.problems ?? []).map((line) => h("p", { class: "small" }, String(line))));
}

function preview({ trial, view }) {
  const look = looks(view.pools);
  const split = (word, weights) => {
    const shares = sharesOf(weights, view.pools);
    return h("div", { class: "preview" }, h("span", { class: "muted" }, word), shareBar(shares, look), legend(shares, look));
  };
  const of = trial.switches.find((each) => each.switch === view.name) ?? trial.switches[0];
  const moves = of && JSON.stringify(of.before) !== JSON.stringify(of.after);
  const lines = [
    trial.changed ? null : "Nothing would change.",
    of ? `TTL afterwards ${of.ttl_s} s.` : null,
    trial.old_answers_expire_in_ms ? `Old answers leave caches within ${duration(trial.old_answers_expire_in_ms)}.` : null,
  ].filter(Boolean);
  return h("div", { class: "dryrun" },
    h("h3", {}, "What would change"),
    of ? (moves ? [split("before", of.before), split("after", of.after)] : split("stays", of.after)) : null,
    lines.length ? h("p", { class: "small" }, lines.join(" ")) : null,
    (trial.notes ?? []).map((note) => h("p", { class: "small" }, note)));
}
