// Pools keep one look everywhere: a hue and a pattern, so that colour is never the only sign.

import { h } from "./dom.js";
import { percent } from "./words.js";

/** Looks there are; `parts.css` draws them. */
const LOOKS = 6;

/** Pools that are named after the first two looks get them. */
const NAMED = { blue: 0, green: 1 };

/** The look of each pool of a switch, by name. */
export function looks(pools) {
  const taken = new Map(pools.filter(({ name }) => name in NAMED).map(({ name }) => [name, NAMED[name]]));
  const free = [...Array(LOOKS).keys()].filter((look) => ![...taken.values()].includes(look));
  pools.filter(({ name }) => !taken.has(name)).forEach(({ name }, at) => taken.set(name, free[at % free.length] ?? 0));
  return taken;
}

/** A small square in the pool's look. */
export const swatch = (look) => h("span", { class: `swatch look${look}`, "aria-hidden": "true" });

/** Shares as one bar, with its words beside it. `shares` are `[{ name, share }]` in percent. */
export function shareBar(shares, look) {
  const words = shares.map(({ name, share }) => `${name} ${percent(share)}`).join(", ");
  const parts = shares.filter(({ share }) => share > 0).map(({ name, share }) => {
    return h("span", { class: `part look${look.get(name) ?? 0}`, vars: { "--share": String(share) } });
  });
  return h("div", { class: "bar", role: "img", "aria-label": words }, parts);
}

/** The legend of a bar: every pool with its share. */
export function legend(shares, look) {
  return h("ul", { class: "legend", role: "list" }, shares.map(({ name, share }) => {
    const number = h("b", {}, percent(share));
    return h("li", { class: share > 0 ? "" : "none" }, swatch(look.get(name) ?? 0), h("span", { class: "name", title: name }, name), " ", number);
  }));
}

/** Weights by name as shares in percent. */
export function sharesOf(weights, pools) {
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0) || 1;
  return pools.map(({ name }) => ({ name, share: ((weights[name] ?? 0) * 100) / total }));
}

/** The shares of answers in the last minutes; null when there were none. */
export function answeredShares(pools) {
  const total = pools.reduce((sum, pool) => sum + (pool.answers_recently ?? 0), 0);
  if (total === 0) return null;
  return pools.map((pool) => ({ name: pool.name, share: ((pool.answers_recently ?? 0) * 100) / total }));
}
