// Pools with their members: measured health, what holds it, the last probe, and whether a pool may be closed.

import { h } from "./dom.js";
import { swatch } from "./pools.js";
import { age } from "./state.js";
import { count, drainWords, isDraining, latency, percent, plural, roughly, when } from "./words.js";

const HEALTH = { up: ["✓", "up", "good"], down: ["✕", "down", "bad"], unknown: ["?", "unknown", "plain"] };

/** Every pool as a card. */
export function membersView(view, look) {
  return h("section", { class: "card", "aria-labelledby": "pools-title" },
    h("h2", { id: "pools-title" }, "Pools"),
    view.pools.map((pool) => poolView(pool, look)));
}

function poolView(pool, look) {
  const state = pool.eligible ? ["✓", "eligible", "good"] : ["✕", "not eligible", "bad"];
  const drain = pool.weight === 0 ? `${drainWords(pool.drain, age())}` : null;
  return h("section", { class: "pool", "data-key": pool.name, "aria-label": `Pool ${pool.name}` },
    h("div", { class: "poolhead" },
      swatch(look.get(pool.name)),
      h("h3", { title: pool.name }, pool.name),
      h("b", {}, percent(pool.share_percent)),
      h("span", { class: `mark ${state[2]}` }, h("span", { "aria-hidden": "true" }, `${state[0]} `), state[1]),
      pool.monitored ? null : h("span", { class: "mark warn" }, "not monitored"),
      pool.expect_version ? h("span", { class: "muted" }, "expects ", h("code", {}, pool.expect_version)) : null,
      h("span", { class: "space" }),
      h("span", { class: "muted small" }, plural(pool.answers, "answer"))),
    pool.why ? h("p", { class: "small why" }, pool.why) : null,
    pool.hold ? hold(pool.hold) : null,
    drain ? h("p", { class: "small drainline" },
      h("span", { class: `mark ${pool.drain.safe_to_close ? "good" : isDraining(pool) ? "move" : "plain"}` }, h("span", { "aria-hidden": "true" }, pool.drain.safe_to_close ? "✓ " : "◔ "), drain),
      pool.drain.reasons.length ? h("span", { class: "muted" }, ` · ${pool.drain.reasons.join("; ")}`) : null) : null,
    members(pool));
}

const hold = (held) => h("p", { class: "small why" }, h("span", { class: "mark warn" }, `⚑ ${held.kind}`), ` until ${when(held.expires_unix_ms)}: ${held.reason}`);

function members(pool) {
  if (!pool.members.length) return h("p", { class: "muted small" }, "No members: this pool answers with its own records.");
  const heads = ["Member", "Health", "Last probe", "Passed / failed", "Version"];
  return h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": `Members of ${pool.name}` },
    h("table", { class: "members" },
      h("thead", {}, h("tr", {}, heads.map((head, at) => h("th", { scope: "col", class: at === 3 ? "number" : null }, head)))),
      h("tbody", {}, pool.members.map(member))));
}

function member(each) {
  const [mark, word, kind] = HEALTH[each.health] ?? HEALTH.unknown;
  const addresses = each.addresses.filter((address) => address !== each.name).join(", ");
  const version = each.seen_version ?? "–";
  const certificate = each.certificate_days === null ? null : `certificate ${each.certificate_days} d`;
  return h("tr", { "data-key": each.name },
    h("th", { scope: "row" }, h("span", { class: "name", title: each.name }, each.name), addresses ? h("span", { class: "muted small block" }, addresses) : null),
    h("td", {}, h("span", { class: `mark ${kind}` }, h("span", { "aria-hidden": "true" }, `${mark} `), word),
      each.since ? h("span", { class: "muted small block since" }, `for ${roughly(Date.now() - new Date(each.since).getTime())}`) : null,
      each.hold ? h("span", { class: "mark warn small block" }, `⚑ ${each.hold.kind}: ${each.hold.reason}`) : null),
    h("td", {}, latency(each.latency_us), each.failure ? h("span", { class: "failure small block" }, each.failure) : null, certificate ? h("span", { class: "muted small block" }, certificate) : null),
    h("td", { class: "number" }, `${count(each.probes_passed)} / ${count(each.probes_failed)}`),
    h("td", {}, h("span", { class: "name", title: version }, version)));
}
