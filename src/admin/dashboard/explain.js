// Why a client gets what it gets: asks /v1/explain for an address, prefix or label that is typed in.

import { read } from "./api.js";
import { h } from "./dom.js";
import { swatch } from "./pools.js";
import { changed } from "./state.js";
import { bare, plural } from "./words.js";

let answer = null;
let problem = null;
let turn = 0;

/** Forgets the last answer. */
export function forgetExplanation() {
  turn += 1;
  answer = null;
  problem = null;
}

/** The card. */
export function explainView(view, look) {
  return h("section", { class: "card", "aria-labelledby": "explain-title" },
    h("h2", { id: "explain-title" }, "Explain"),
    h("form", { class: "explain", id: "explain-form", novalidate: true },
      h("label", { for: "explain-owner" }, "Name"),
      h("select", { id: "explain-owner" }, view.owners.map((owner) => h("option", { value: owner }, bare(owner)))),
      h("label", { for: "explain-client" }, "Client"),
      h("input", { id: "explain-client", placeholder: "203.0.113.7, a prefix, or a label", autocomplete: "off", spellcheck: "false", autocapitalize: "off" }),
      h("button", { type: "submit" }, "Explain")),
    h("div", { id: "explain-answer", "aria-live": "polite" }, problem ? h("p", { class: "error" }, problem) : answer ? explanation(look) : null));
}

function explanation(look) {
  const scores = answer.pools.some((pool) => pool.score !== null);
  const heads = ["Pool", "Weight", "Eligible", ...(scores ? ["Score"] : [])];
  return [
    h("p", {}, h("span", { class: "muted" }, `${answer.client} gets `), answer.pool ? [swatch(look.get(answer.pool) ?? 0), h("b", {}, answer.pool)] : h("b", {}, "no data")),
    h("p", {}, answer.why),
    h("p", { class: "small muted" }, `Key ${answer.key} · TTL ${answer.ttl_s} s (${answer.ttl_cause}) · scope /${answer.scope} · revision ${answer.revision}`),
    h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Pools in this choice" }, h("table", { class: "plain" },
      h("caption", { class: "unseen" }, `${plural(answer.pools.length, "pool")} in this choice`),
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, answer.pools.map((pool) => h("tr", {},
        h("th", { scope: "row" }, pool.name),
        h("td", { class: "number" }, `${pool.weight}${pool.took_part_with === null ? "" : ` (as ${pool.took_part_with})`}`),
        h("td", {}, pool.eligible ? "✓ yes" : "✕ no", pool.why ? h("span", { class: "muted small block" }, pool.why) : null),
        scores ? h("td", { class: "number" }, pool.score === null ? "–" : pool.score.toPrecision(4)) : null))))),
  ];
}

document.addEventListener("submit", async (event) => {
  if (event.target.id !== "explain-form") return;
  event.preventDefault();
  const [owner, client] = ["explain-owner", "explain-client"].map((id) => document.getElementById(id).value.trim());
  const mine = ++turn;
  const query = new URLSearchParams({ owner, ...(client ? { client } : {}) });
  try {
    const found = (await read(`v1/explain?${query}`)).answer;
    if (mine !== turn) return;
    [answer, problem] = [found, null];
  } catch (error) {
    if (mine !== turn) return;
    [answer, problem] = [null, error.message];
  }
  changed();
});
