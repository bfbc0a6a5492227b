// One switch in full: pools and members, charts, the rollout, who did what, and why a client gets what it gets.

import { chartsView } from "./charts.js";
import { h } from "./dom.js";
import { explainView, forgetExplanation } from "./explain.js";
import { historyView } from "./history.js";
import { membersView } from "./members.js";
import { legend, looks, shareBar } from "./pools.js";
import { rolloutView } from "./rollout.js";
import { currentMe, mayChange } from "./session.js";
import { age, state } from "./state.js";
import { ago, bare, duration, isRunning, standing } from "./words.js";

/** Forgets what belonged to the last switch. */
export function leaveDetail() {
  forgetExplanation();
}

/** The whole view. */
export function detailView() {
  const { name, view, missing } = state.detail;
  if (missing) {
    return page(name, h("div", { class: "empty" }, h("h1", { tabindex: "-1" }, "No such switch"), h("p", {}, missing), h("p", {}, h("a", { href: "#/" }, "All switches"))));
  }
  if (!view) return page(name, h("h1", { tabindex: "-1" }, name), h("p", { class: "muted" }, "Reading…"));
  const look = looks(view.pools);
  return page(name,
    heading(view, look),
    actions(view),
    h("div", { class: "columns" },
      h("div", { class: "column" }, membersView(view, look), chartsView(view, state.detail.recent, look)),
      h("div", { class: "column" }, rolloutView(view, look), explainView(view, look), historyView(state.detail.history, view, look))));
}

const page = (name, ...content) => h("section", { class: "page detail", "data-key": `detail ${name}` },
  h("nav", { "aria-label": "Breadcrumb", class: "crumbs small" }, h("a", { href: "#/" }, "← All switches")), content);

function heading(view, look) {
  const at = standing(view);
  const shares = view.pools.map((pool) => ({ name: pool.name, share: pool.share_percent }));
  const fact = (term, value) => h("div", {}, h("dt", {}, term), h("dd", {}, value));
  const prepared = view.prepared_until
    ? fact("Prepared", view.prepared_in_ms > age() ? `short TTLs in ${duration(view.prepared_in_ms - age())}` : "every longer-lived answer is gone")
    : null;
  return h("header", { class: "head" },
    h("div", { class: "headline" },
      h("h1", { tabindex: "-1" }, view.name),
      h("span", { class: `mark ${at.kind}` }, h("span", { "aria-hidden": "true" }, `${at.mark} `), at.word)),
    h("p", { class: "muted owners" }, view.owners.map(bare).join(", ")),
    view.fallback_in_use ? h("p", { class: "note bad" }, h("b", {}, "▲ The fallback answers clients: "), view.fallback) : null,
    h("div", { class: "split" }, shareBar(shares, look), legend(shares, look)),
    h("dl", { class: "facts" },
      fact("Policy", view.policy), fact("TTL", `${view.ttl_s} s (${view.ttl_cause})`), prepared,
      fact("Weights changed", view.changed_at ? ago(view.changed_at) : "never since the files"),
      fact("Fallback", view.fallback), fact("Zone", bare(view.zone))),
    view.differs.length ? h("p", { class: "muted small" }, `Differs from the files: ${view.differs.join("; ")}`) : null);
}

function actions(view) {
  const me = currentMe();
  if (!mayChange(view.name)) {
    const why = me?.role === "viewer" ? "Your token has role viewer: it looks and changes nothing." : "Your token does not reach this switch.";
    return h("p", { class: "note plain", id: "no-actions" }, me ? why : "");
  }
  const running = isRunning(view.rollout);
  const button = (what, word, kind = "", why = null) => h("button", {
    type: "button", class: kind, "data-do": "act", "data-act": what, "data-key": what, disabled: Boolean(why), title: why,
  }, word);
  return h("div", { class: "actions", role: "group", "aria-label": "Change this switch" },
    button("flip", "Flip…", "primary"),
    button("weights", "Set weights…"),
    button("undo", "Undo…", "", view.previous ? null : "There is no earlier split to return to"),
    button("prepare", "Prepare…"),
    button("override", "Override…"),
    running ? null : button("start", "Start rollout…"),
    running && view.rollout.phase !== "paused" ? button("pause", "Pause rollout…") : null,
    running && view.rollout.phase === "paused" ? button("resume", "Resume rollout…") : null,
    running ? button("promote", "Promote…") : null,
    running ? button("abort", "Abort rollout…", "danger") : null);
}
