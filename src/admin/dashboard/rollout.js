// The rollout of a switch: its steps, what it waits for, what the gates say, and what happened.

import { h } from "./dom.js";
import { swatch } from "./pools.js";
import { age } from "./state.js";
import { ago, duration, isRunning, percent, PHASES, when } from "./words.js";

const VERDICTS = { pass: ["✓", "pass", "good"], fail: ["✕", "fail", "bad"], inconclusive: ["?", "open", "plain"] };

/** The card. */
export function rolloutView(view, look) {
  const rollout = view.rollout;
  return h("section", { class: "card", "aria-labelledby": "rollout-title" },
    h("h2", { id: "rollout-title" }, "Rollout"),
    rollout ? content(rollout, look) : h("p", { class: "muted" }, "None so far. A rollout moves the weight in steps and goes on only where its gates pass."));
}

function content(rollout, look) {
  const [mark, word, kind] = PHASES[rollout.phase] ?? ["?", rollout.phase, "plain"];
  const running = isRunning(rollout);
  return [
    h("p", { class: "phase" }, h("span", { class: `mark ${kind}` }, h("span", { "aria-hidden": "true" }, `${mark} `), word),
      ` ${rollout.stable} → `, swatch(look.get(rollout.canary) ?? 0), rollout.canary, rollout.version ? h("span", { class: "muted" }, " version ", h("code", {}, rollout.version)) : null),
    h("p", { class: "small muted" }, `Started ${ago(rollout.started_at)} by ${rollout.by}${rollout.reason ? `: ${rollout.reason}` : ""}${rollout.ended_at ? `. Ended ${ago(rollout.ended_at)}` : ""}`),
    steps(rollout, running),
    rollout.waits_for ? h("p", {}, h("b", {}, "Waits for "), rollout.waits_for) : null,
    running && rollout.phase !== "paused" && rollout.hold_ms ? hold(rollout) : null,
    rollout.warm_until ? h("p", { class: "small" }, `Old side kept warm until ${when(rollout.warm_until)}: undo needs no analysis.`) : null,
    Object.entries(rollout.failing_sources).map(([metric, error]) => h("p", { class: "note warn small" }, `${metric} cannot be read: ${error}`)),
    rollout.share?.words ? h("p", { class: "small" }, h("b", {}, "Honest share: "), rollout.share.words) : null,
    rollout.advice ? h("p", { class: "small" }, h("b", {}, "Advisor: "), rollout.advice) : null,
    rollout.verdicts.length ? [h("h3", {}, "Last look", rollout.looked_at ? h("span", { class: "muted small" }, ` ${ago(rollout.looked_at)}`) : null), verdicts(rollout.verdicts)] : null,
    h("h3", {}, "Timeline"),
    timeline(rollout.timeline),
  ];
}

function steps(rollout, running) {
  return h("ol", { class: "steps", "aria-label": "Steps" }, rollout.step_percents.map((share, at) => {
    const done = at + 1 < rollout.step || rollout.phase === "promoted";
    const now = running && at + 1 === rollout.step;
    const word = done ? "done" : now ? "now" : "to come";
    return h("li", { class: done ? "done" : now ? "now" : "", "aria-current": now ? "step" : null }, h("span", { "aria-hidden": "true" }, done ? "✓ " : now ? "▶ " : ""), percent(share), h("span", { class: "unseen" }, ` ${word}`));
  }));
}

function hold(rollout) {
  const held = Math.min(rollout.held_ms + age(), rollout.hold_ms);
  const words = held >= rollout.hold_ms ? "hold is over" : `holds for another ${duration(rollout.hold_ms - held)}`;
  return h("div", { class: "hold" }, h("progress", { max: String(rollout.hold_ms), value: String(Math.round(held)), "aria-label": words }), h("span", { class: "small muted" }, words));
}

function verdicts(list) {
  return h("ul", { class: "verdicts", role: "list" }, list.map((each) => {
    const [mark, word, kind] = VERDICTS[each.verdict] ?? VERDICTS.inconclusive;
    return h("li", {}, h("span", { class: `mark ${kind}` }, h("span", { "aria-hidden": "true" }, `${mark} `), word), ` ${each.line}`);
  }));
}

function timeline(entries) {
  return h("ol", { class: "timeline", reversed: true }, [...entries].reverse().map((entry) => h("li", { "data-key": `${entry.at_unix_ms} ${entry.what}` },
    h("span", { class: "muted small time" }, when(entry.at_unix_ms)),
    h("span", {}, h("b", {}, percent(entry.share / 100)), ` ${entry.what}`, entry.verdicts?.length ? verdicts(entry.verdicts) : null))));
}
