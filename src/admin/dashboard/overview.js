// Every switch as a row: what has weight, who is healthy, what clients got, what drains, what is released.

import { h, onDo } from "./dom.js";
import { answeredShares, legend, looks, shareBar } from "./pools.js";
import { age, changed, state } from "./state.js";
import { bare, count, drainWords, isDraining, isRunning, percent, PHASES, plural, standing } from "./words.js";

/** Rows on a page: a thousand switches stay quick. */
const PAGE = 50;

/** Fewer answers say nothing about shares. */
const ENOUGH = 100;

/** A share of answers further than this from its target is marked, percentage points. */
const FAR = 5;

const view = { text: "", kind: "all", page: 0 };

/** Forgets what was looked for. */
export function resetOverview() {
  Object.assign(view, { text: "", kind: "all", page: 0 });
}

const KINDS = [
  ["all", "Switches", () => true],
  ["attention", "Need attention", (s) => s.standing.rank <= 1],
  ["rollout", "In a rollout", (s) => isRunning(s.view.rollout)],
  ["draining", "Draining", (s) => s.view.pools.some(isDraining)],
];

/** The whole view. */
export function overviewView() {
  if (!state.status) return h("section", { class: "page", "data-key": "overview" }, h("h1", { tabindex: "-1" }, "Switches"), h("p", { class: "muted" }, "Reading…"));
  const all = state.status.switches.map((each) => ({ view: each, standing: standing(each) }));
  const wanted = view.text.toLowerCase();
  const names = (s) => [s.view.name, s.view.zone, ...s.view.owners, ...s.view.pools.map((pool) => pool.name)];
  const found = all
    .filter((s) => KINDS.find(([kind]) => kind === view.kind)[2](s))
    .filter((s) => !wanted || names(s).some((name) => name.toLowerCase().includes(wanted)))
    .sort((a, b) => a.standing.rank - b.standing.rank || (a.view.name < b.view.name ? -1 : 1));
  const pages = Math.max(1, Math.ceil(found.length / PAGE));
  view.page = Math.min(view.page, pages - 1);
  const rows = found.slice(view.page * PAGE, (view.page + 1) * PAGE);
  return h("section", { class: "page", "data-key": "overview" },
    h("h1", { tabindex: "-1", class: "unseen" }, "Switches"),
    alarms(state.status.alarms),
    h("div", { class: "tools" }, tiles(all), filterBox()),
    found.length ? table(rows) : empty(all.length),
    pages > 1 ? pager(found.length, pages) : h("p", { class: "muted small foot" }, `${plural(found.length, "switch", "switches")} shown`, zones()),
  );
}

const zones = () => ` · ${state.status.zones.map(({ apex, serial }) => `${bare(apex)} serial ${serial}`).slice(0, 4).join(" · ")}`;

function alarms(list) {
  if (!list.length) return null;
  return h("section", { class: "alarms", "aria-label": "Alarms" },
    h("h2", {}, h("span", { "aria-hidden": "true" }, "▲ "), plural(list.length, "alarm")),
    h("ul", {}, list.slice(0, 8).map((text) => h("li", {}, text))),
    list.length > 8 ? h("p", {}, `and ${list.length - 8} more`) : null);
}

function tiles(all) {
  return h("div", { class: "tiles", role: "group", "aria-label": "Show" }, KINDS.map(([kind, word, fits]) => {
    const n = all.filter(fits).length;
    const loud = kind === "attention" && n > 0 ? " loud" : "";
    return h("button", { type: "button", class: `tile${loud}`, "data-do": "kind", "data-kind": kind, "data-key": kind, "aria-pressed": String(view.kind === kind) },
      h("b", {}, count(n)), ` ${word}`);
  }));
}

function filterBox() {
  return h("div", { class: "filter", role: "search" },
    h("label", { for: "filter", class: "unseen" }, "Filter by name, owner or pool"),
    h("input", { id: "filter", type: "search", placeholder: "Filter by name, owner, pool", autocomplete: "off", spellcheck: "false" }));
}

function empty(total) {
  if (!total) {
    return h("div", { class: "empty" }, h("h2", {}, "No switches yet"),
      h("p", {}, "A switch is a few lines of TOML in the zones folder; ", h("code", {}, "tidegate reload"), " takes it in."));
  }
  return h("div", { class: "empty" }, h("h2", {}, "Nothing fits"), h("p", {}, "No switch fits the filter."),
    h("button", { type: "button", "data-do": "show-all" }, "Show all switches"));
}

const HEADS = ["State", "Switch", "Weights", "Health", "Answers, last 5 min", "Drain", "Rollout"];

function table(rows) {
  return h("div", { class: "scroll", role: "region", "aria-label": "Switches", tabindex: "0" },
    h("table", { class: "switches", role: "table" },
      h("caption", { class: "unseen" }, "Switches, those that need attention first"),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, HEADS.map((head) => h("th", { scope: "col", role: "columnheader" }, head)))),
      h("tbody", { role: "rowgroup" }, rows.map(row))));
}

function row({ view: each, standing: at }) {
  const look = looks(each.pools);
  const shares = each.pools.map((pool) => ({ name: pool.name, share: pool.share_percent }));
  const cell = (head, ...content) => h("td", { role: "cell", class: `c-${head.toLowerCase()}` }, content);
  const owner = bare(each.owners[0] ?? "");
  const more = each.owners.length > 1 ? ` +${each.owners.length - 1}` : "";
  return h("tr", { role: "row", "data-key": each.name, class: at.kind },
    cell("state", h("span", { class: `mark ${at.kind}` }, h("span", { "aria-hidden": "true" }, at.mark), ` ${at.word}`)),
    h("th", { scope: "row", role: "rowheader", class: "c-name" },
      h("a", { href: `#/s/${encodeURIComponent(each.name)}`, title: each.name }, each.name),
      h("span", { class: "muted small owner", title: each.owners.map(bare).join(", ") }, owner + more)),
    cell("weights", shareBar(shares, look), legend(shares, look)),
    cell("health", each.pools.map((pool) => health(pool))),
    cell("answers", answers(each, look)),
    cell("drain", drains(each)),
    cell("rollout", rollout(each.rollout)));
}

function health(pool) {
  const up = pool.members.filter((member) => member.eligible).length;
  const all = pool.members.length;
  const held = pool.hold ? ` ⚑ ${pool.hold.kind}` : pool.members.some((member) => member.hold) ? " ⚑ held" : "";
  const kind = !pool.eligible ? "bad" : !pool.monitored ? "plain" : up < all ? "warn" : "good";
  const mark = { plain: "?", bad: "✕", warn: "△", good: "✓" }[kind];
  const words = !pool.monitored ? (pool.eligible ? "not monitored" : "not eligible") : `${up}/${all} up`;
  return h("div", { class: "line", title: pool.why ?? "" }, h("span", { class: `mark ${kind}` }, h("span", { "aria-hidden": "true" }, `${mark} `), words), h("span", { class: "muted name" }, pool.name), held ? h("span", { class: "mark warn" }, held) : null);
}

function answers(each, look) {
  const shares = answeredShares(each.pools);
  if (!shares) return h("span", { class: "muted" }, "none");
  const total = each.pools.reduce((sum, pool) => sum + (pool.answers_recently ?? 0), 0);
  const far = shares.filter(({ name, share }) => Math.abs(share - each.pools.find((pool) => pool.name === name).share_percent) > FAR);
  const rounded = shares.map(({ name, share }) => ({ name, share: Number(share.toFixed(1)) })).filter(({ share }) => share > 0);
  return [
    shareBar(shares, look),
    h("div", { class: "small" }, plural(total, "answer"), far.length && total >= ENOUGH ? h("span", { class: "mark warn", title: `More than ${FAR} points from the target` }, " ≠ target") : null),
    h("div", { class: "small muted" }, rounded.map(({ name, share }) => `${name} ${percent(share)}`).join(", ")),
  ];
}

function drains(each) {
  const moving = each.pools.filter((pool) => pool.weight === 0 && (isDraining(pool) || pool.drain.last_promise_expires_at_ms !== null));
  if (!moving.length) return h("span", { class: "muted dash" }, "–");
  return moving.map((pool) => {
    const kind = pool.drain.safe_to_close ? "good" : "move";
    const mark = pool.drain.safe_to_close ? "✓" : "◔";
    return h("div", { class: "line" }, h("span", { class: `mark ${kind}` }, h("span", { "aria-hidden": "true" }, `${mark} `), drainWords(pool.drain, age())), h("span", { class: "muted name" }, pool.name));
  });
}

function rollout(each) {
  if (!each) return h("span", { class: "muted dash" }, "–");
  const [mark, word, kind] = PHASES[each.phase] ?? ["?", each.phase, "plain"];
  const step = isRunning(each) ? `step ${each.step}/${each.steps}, ${percent(each.share_percent)} ${each.canary}` : each.canary;
  return h("div", { class: "line" }, h("span", { class: `mark ${kind}` }, h("span", { "aria-hidden": "true" }, `${mark} `), word), h("span", { class: "muted name" }, step));
}

function pager(total, pages) {
  const button = (word, to, off) => h("button", { type: "button", "data-do": "page", "data-page": String(to), disabled: off }, word);
  const from = view.page * PAGE;
  return h("nav", { class: "pager", "aria-label": "Pages" },
    button("Previous", view.page - 1, view.page === 0),
    h("span", {}, `${from + 1}–${Math.min(from + PAGE, total)} of ${count(total)}`),
    button("Next", view.page + 1, view.page >= pages - 1));
}

onDo("kind", (element) => {
  Object.assign(view, { kind: element.dataset.kind, page: 0 });
  changed();
});
onDo("show-all", () => {
  resetOverview();
  const box = document.getElementById("filter");
  if (box) box.value = "";
  changed();
});
onDo("page", (element) => {
  view.page = Number(element.dataset.page);
  changed();
  window.scrollTo(0, 0);
});
document.addEventListener("input", (event) => {
  if (event.target.id !== "filter") return;
  Object.assign(view, { text: event.target.value.trim(), page: 0 });
  changed();
});
