// Who changed this switch, when, why, and what it was before.

import { h } from "./dom.js";
import { sharesOf, shareBar } from "./pools.js";
import { percent, when } from "./words.js";

/** The card. */
export function historyView(history, view, look) {
  const rows = history?.rows ?? [];
  return h("section", { class: "card", "aria-labelledby": "history-title" },
    h("h2", { id: "history-title" }, "History"),
    rows.length
      ? h("ol", { class: "history", reversed: true }, rows.map((row) => entry(row, view, look)))
      : h("p", { class: "muted" }, "Nothing was changed at run time so far."));
}

function entry(row, view, look) {
  return h("li", { "data-key": `${row.revision}` },
    h("div", { class: "what" }, h("b", {}, row.verb), row.forced ? h("span", { class: "mark warn" }, " ⚑ forced") : null,
      h("span", { class: "muted" }, ` by ${row.who}${row.from ? ` from ${row.from}` : ""}`), h("span", { class: "space" }),
      h("span", { class: "muted small" }, `${when(row.at_unix_ms)} · revision ${row.revision}`)),
    row.reason ? h("p", { class: "reason" }, row.reason) : null,
    difference(row, view, look));
}

function difference(row, view, look) {
  const weights = [row.before?.weights, row.after?.weights];
  const moved = weights.every(Boolean) && JSON.stringify(weights[0]) !== JSON.stringify(weights[1]);
  const others = changes(row.before, row.after).filter(([path]) => !path.startsWith("weights"));
  return [
    moved ? h("div", { class: "diff" }, weights.map((split, at) => {
      const shares = sharesOf(split, view.pools);
      const words = shares.filter(({ share }) => share > 0).map(({ name, share }) => `${name} ${percent(share)}`).join(", ");
      return h("div", {}, h("span", { class: "muted small" }, at ? "after" : "before"), shareBar(shares, look), h("span", { class: "small" }, words));
    })) : null,
    others.length ? h("details", {}, h("summary", { class: "small" }, `${others.length} more changed`), h("table", { class: "plain small" },
      h("thead", {}, h("tr", {}, ["What", "Before", "After"].map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, others.map(([path, before, after]) => h("tr", {}, h("th", { scope: "row" }, path), h("td", {}, text(before)), h("td", {}, text(after))))))) : null,
  ];
}

const text = (value) => (value === undefined || value === null ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));

/** Paths whose values differ, at most 40, two levels deep. */
function changes(before, after, path = "", depth = 0) {
  const isMap = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  if (depth < 2 && isMap(before ?? {}) && isMap(after ?? {}) && (before || after)) {
    const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
    return names.flatMap((name) => changes(before?.[name], after?.[name], path ? `${path}.${name}` : name, depth + 1)).slice(0, 40);
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [[path || "value", before, after]];
}
