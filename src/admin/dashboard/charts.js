// The last 15 minutes of a switch: answers of each pool, their shares against the target, probe latency.

import { h } from "./dom.js";
import { plot } from "./plot.js";
import { latency, percent, rate } from "./words.js";

/** Three charts, or why there are none. */
export function chartsView(view, recent, look) {
  return h("section", { class: "card", "aria-labelledby": "charts-title" }, h("h2", { id: "charts-title" }, "The last 15 minutes"), content(view, recent, look));
}

function content(view, recent, look) {
  if (!recent) return h("p", { class: "muted" }, "Reading…");
  if (!recent.kept) return h("p", { class: "muted" }, "Not kept: too many other switches are answered at the same time. The counters at /metrics have every one.");
  const rows = recent.samples;
  const times = rows.map((row) => new Date(row.at).getTime());
  const series = (values) => recent.pools.map((name, at) => ({ name, look: look.get(name) ?? 0, values: rows.map((row) => values(row, at)) }));
  const total = (row) => row.answers.reduce((sum, n) => sum + n, 0);
  const targets = view.pools.map((pool) => ({ look: look.get(pool.name), value: pool.share_percent }));
  return [
    plot({ id: "answers", title: "Answers per second", times, format: rate, series: series((row, at) => (row.answers[at] * 1000) / (row.span_ms || 1)) }),
    plot({
      id: "shares", title: "Share of answers (dotted: target now)", times, format: (value) => percent(Number(value.toFixed(1))), max: 100, targets,
      series: series((row, at) => (total(row) ? (row.answers[at] * 100) / total(row) : null)),
    }),
    plot({ id: "latency", title: "Probe latency", times, format: (value) => latency(value * 1000), series: series((row, at) => (row.latency_us[at] === null ? null : row.latency_us[at] / 1000)) }),
  ];
}
