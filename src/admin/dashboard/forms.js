// The inputs of the dialogs, and how they are read.

import { h } from "./dom.js";
import { looks, swatch } from "./pools.js";
import { percent } from "./words.js";

/** Radio buttons for pools; `hint` says something about each. */
export function poolChoice(view, chosen, hint) {
  const look = looks(view.pools);
  return h("fieldset", { class: "choice" }, h("legend", {}, "Pool"), view.pools.map((pool) => h("label", { class: "option" },
    h("input", { type: "radio", name: "to", value: pool.name, checked: pool.name === chosen }),
    swatch(look.get(pool.name)), h("b", { class: "name", title: pool.name }, pool.name), h("span", { class: "muted small" }, hint(pool)))));
}

/** Health and weight of a pool in a few words. */
export const poolHint = (pool) => `${percent(pool.share_percent)}, ${pool.eligible ? "eligible" : `not eligible${pool.why ? `: ${pool.why}` : ""}`}`;

/** The shares of pools in percent that sum to 100: each share alone is rounded, and three thirds would be 99.99. */
function wholeShares(pools) {
  const total = pools.reduce((sum, { weight }) => sum + weight, 0);
  const parts = pools.map(({ weight }) => (total ? (weight * 10_000) / total : 0));
  const shares = parts.map(Math.floor);
  const missing = total ? 10_000 - shares.reduce((sum, share) => sum + share, 0) : 0;
  const most = parts.map((part, at) => [part - shares[at], at]).sort(([one], [two]) => two - one);
  most.slice(0, missing).forEach(([, at]) => (shares[at] += 1));
  return shares.map((share) => share / 100);
}

/** A slider and a number for each pool. */
export function weightFields(view) {
  const look = looks(view.pools);
  const shares = wholeShares(view.pools);
  const field = (pool, at) => h("div", { class: "weight" },
    h("label", { for: `weight-${at}` }, swatch(look.get(pool.name)), h("span", { class: "name", title: pool.name }, pool.name)),
    h("input", { type: "range", name: `slide-${at}`, min: "0", max: "100", step: "1", value: String(shares[at]), "aria-label": `Share of ${pool.name}, percent` }),
    h("input", { type: "number", id: `weight-${at}`, name: `weight-${at}`, min: "0", max: "100", step: "0.01", value: String(shares[at]) }), h("span", {}, "%"));
  return h("fieldset", { class: "weights" }, h("legend", {}, "Shares"), view.pools.map(field));
}

/** Keeps slider and number together, and with two pools their sum. */
export function linkWeights(form, changed) {
  const [, kind, at] = /^(slide|weight)-(\d+)$/.exec(changed.name) ?? [];
  if (!kind) return;
  const put = (index, value) => {
    form.elements[`weight-${index}`].value = String(value);
    form.elements[`slide-${index}`].value = String(value);
  };
  const other = kind === "slide" ? "weight" : "slide";
  form.elements[`${other}-${at}`].value = changed.value;
  const value = Number(changed.value);
  if (!form.elements["weight-2"] && form.elements["weight-1"] && Number.isFinite(value) && value >= 0 && value <= 100) {
    put(at === "0" ? 1 : 0, Number((100 - value).toFixed(2)));
  }
}

/** The shares as the API takes them, or what is wrong. */
export function readWeights(form, view) {
  const shares = view.pools.map((pool, at) => [pool.name, Number(form.elements[`weight-${at}`].value), form.elements[`weight-${at}`].value]);
  const bad = shares.find(([, value, text]) => text === "" || !(value >= 0 && value <= 100));
  if (bad) return `The share of ${bad[0]} must be 0 to 100.`;
  const sum = shares.reduce((total, [, value]) => total + Math.round(value * 100), 0);
  if (sum !== 10_000) return `The shares sum to ${sum / 100} %, not 100 %.`;
  return { weights: Object.fromEntries(shares.map(([name, value]) => [name, `${value.toFixed(2)}%`])) };
}

/** A labelled text. */
export const textField = (name, label, placeholder = "") => h("div", { class: "field" },
  h("label", { for: `field-${name}` }, label), h("input", { id: `field-${name}`, name, placeholder, autocomplete: "off", spellcheck: "false" }));

/** A labelled choice; `options` are `[value, word]`. */
export const selectField = (name, label, options) => h("div", { class: "field" },
  h("label", { for: `field-${name}` }, label), h("select", { id: `field-${name}`, name }, options.map(([value, word]) => h("option", { value }, word))));

/** A labelled box. */
export const checkField = (name, label) => h("label", { class: "check" }, h("input", { type: "checkbox", name }), h("span", {}, label));
