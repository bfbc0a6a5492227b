// What an operator can do to a switch; each opens one dialog.

import { openChange } from "./dialog.js";
import { onDo } from "./dom.js";
import { checkField, linkWeights, poolChoice, poolHint, readWeights, selectField, textField, weightFields } from "./forms.js";
import { state } from "./state.js";

/** The pool somebody most likely means: the first without weight. */
const idle = (view) => (view.pools.find((pool) => pool.weight === 0) ?? view.pools[0]).name;

const chosen = (form) => form.elements.to.value;

const plain = () => ({});

const ACTIONS = {
  flip: (name) => ({
    title: `Flip ${name}`, path: "/flip", reason: "needed", confirm: "Flip", done: `Flip of ${name}`,
    fields: (view) => [poolChoice(view, idle(view), poolHint), checkField("prepare", "Prepare first: lower the TTL, wait until longer-lived answers are gone, then flip")],
    body: (form) => ({ to: chosen(form), ...(form.elements.prepare.checked ? { prepare: true } : {}) }),
  }),
  weights: (name) => ({
    title: `Set the weights of ${name}`, path: "/set-weights", reason: "needed", confirm: "Set weights", done: `Weights of ${name}`,
    fields: weightFields, linked: linkWeights, body: readWeights,
  }),
  undo: (name) => ({
    title: `Undo the last change of ${name}`, intro: "Returns to the split before, at once.", path: "/undo", reason: "optional", confirm: "Undo", done: `Undo of ${name}`, body: plain,
  }),
  prepare: (name) => ({
    title: `Prepare ${name}`, intro: "Lowers the TTL, so that a flip takes effect sooner. An unused preparation lapses by itself.", path: "/prepare",
    reason: "optional", confirm: "Prepare", done: `Preparation of ${name}`, body: plain,
  }),
  override: (name) => ({
    title: `Override health in ${name}`, intro: "Counts as up or down whatever is measured, until it expires.", path: "/overrides", reason: "needed",
    confirm: "Set override", done: `Override in ${name}`, fields: overrideFields, body: readOverride,
  }),
  start: (name) => ({
    title: `Start a rollout of ${name}`, intro: "Moves the weight in the steps of the plan; goes on only where its gates pass. Abort always wins.", path: "/rollout",
    reason: "needed", confirm: "Start rollout", done: `Rollout of ${name}`,
    fields: (view) => [poolChoice(view, idle(view), poolHint), textField("version", "Version it must show (optional)", "v2"), checkField("reshuffle", "Reshuffle: other users than last time come first")],
    body: (form) => {
      const version = form.elements.version.value.trim();
      return { to: chosen(form), ...(version ? { version } : {}), ...(form.elements.reshuffle.checked ? { reshuffle: true } : {}) };
    },
  }),
  pause: (name) => verb(name, "pause", "Pause", "The weights stay as they are until somebody resumes or aborts."),
  resume: (name) => verb(name, "resume", "Resume", "Goes on from the step it is at."),
  promote: (name) => ({
    ...verb(name, "promote", "Promote", "Ends the hold of this step and goes on without waiting for its gates."),
    fields: () => [checkField("full", "All steps at once: the whole traffic goes to the released pool")],
    body: (form) => ({ full: form.elements.full.checked }),
  }),
  abort: (name) => ({ ...verb(name, "abort", "Abort", "All weight goes back to the stable pool at once."), danger: true }),
};

function verb(name, path, word, intro) {
  return { title: `${word} the rollout of ${name}`, intro, path: `/rollout/${path}`, reason: "optional", confirm: `${word} rollout`, done: `${word} of ${name}'s rollout`, body: plain };
}

function overrideFields(view) {
  const whom = view.pools.flatMap((pool, at) => [
    [`${at}`, `pool ${pool.name}`], ...pool.members.map((member, of) => [`${at}.${of}`, `pool ${pool.name}, member ${member.name}`]),
  ]);
  return [
    selectField("whom", "Pool or member", whom),
    selectField("hold", "Counts as", [["force-down", "down, whatever is measured"], ["force-up", "up, whatever is measured"], ["none", "measured: clear the override"]]),
    selectField("lasts", "For", [["15m", "15 minutes"], ["1h", "1 hour"], ["4h", "4 hours"], ["24h", "24 hours"], ["72h", "72 hours"]]),
  ];
}

function readOverride(form, view) {
  const [pool, member] = form.elements.whom.value.split(".").map(Number);
  const hold = form.elements.hold.value;
  const reason = form.elements.reason.value.trim();
  if (hold !== "none" && !reason) return { unsaid: "An override needs a reason." };
  return {
    pool: view.pools[pool].name, hold,
    ...(member === undefined ? {} : { member: view.pools[pool].members[member].name }),
    ...(hold === "none" ? {} : { for: form.elements.lasts.value }),
  };
}

onDo("act", (element) => {
  const name = state.detail?.name;
  const make = ACTIONS[element.dataset.act];
  if (name && make) openChange({ switch: name, ...make(name) });
});
