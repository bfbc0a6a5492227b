// Draws lines over time as SVG, each with its words and its table. Lines differ by dash and label, not colour alone.

import { h, svg } from "./dom.js";
import { swatch } from "./pools.js";
import { when } from "./words.js";

const WIDTH = 640;
const HEIGHT = 170;
const LEFT = 2;
const RIGHT = 2;
const TOP = 24;
const BOTTOM = 26;

/** A chart. `series` are `{ name, look, values }`, values a number or null for each of `times`. */
export function plot({ id, title, unit, times, series, format, max: ceiling, targets = [] }) {
  const values = series.flatMap((line) => line.values).filter((value) => value !== null);
  const heading = h("h3", { id: `${id}-title` }, title);
  const labels = h("ul", { class: "legend", role: "list" }, series.map((line) => {
    const last = line.values.findLast((value) => value !== null);
    return h("li", {}, swatch(line.look), h("span", { class: "name", title: line.name }, line.name), " ", h("b", {}, last === undefined ? "–" : format(last)));
  }));
  if (times.length < 2 || !values.length) {
    return h("figure", { class: "chart", "data-key": id, "aria-labelledby": `${id}-title` }, h("div", { class: "charthead" }, heading), h("p", { class: "muted small quietbox" }, "Nothing to draw yet: rows come every 10 s while the switch is answered."));
  }
  const max = ceiling ?? niceCeiling(Math.max(...values));
  const x = (at) => LEFT + ((times[at] - times[0]) / (times.at(-1) - times[0] || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + (1 - Math.min(value, max) / max) * (HEIGHT - TOP - BOTTOM);
  const words = `${title}, from ${when(times[0])} to ${when(times.at(-1))}. ` + series.map((line) => summary(line, format)).join(" ");
  return h("figure", { class: "chart", "data-key": id, "aria-labelledby": `${id}-title` },
    h("div", { class: "charthead" }, heading, labels),
    svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words, preserveAspectRatio: "none" },
      targets.map(({ look, value }) => svg("line", { class: `target look${look}`, x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) })),
      grid(max, y), series.map((line) => svg("path", { class: `line look${line.look}`, d: path(line.values, x, y) })),
      valueLabels(max, y, format), timeLabels(times, x)),
    h("details", {}, h("summary", { class: "small" }, `Table of ${title.toLowerCase()}`), table(title, unit, times, series, format)));
}

function summary(line, format) {
  const known = line.values.filter((value) => value !== null);
  if (!known.length) return `${line.name}: nothing.`;
  return `${line.name}: ${format(Math.min(...known))} to ${format(Math.max(...known))}, last ${format(known.at(-1))}.`;
}

function path(values, x, y) {
  let drawing = false;
  return values.map((value, at) => {
    if (value === null) {
      drawing = false;
      return "";
    }
    const to = `${drawing ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    drawing = true;
    return to;
  }).join("");
}

const grid = (max, y) => [0, 0.5, 1].map((part) => svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(max * part), y2: y(max * part) }));

/** Above their lines, inside the plot, where no width is lost to them. */
function valueLabels(max, y, format) {
  return [0.5, 1].map((part) =>
    svg("text", { class: "axis", x: LEFT, y: y(max * part) - 4 }, format(max * part)));
}

function timeLabels(times, x) {
  const minutes = (at) => Math.round((times.at(-1) - times[at]) / 60_000);
  const middle = Math.floor((times.length - 1) / 2);
  const label = (at, anchor, text) => svg("text", { class: "axis", x: x(at), y: HEIGHT - 6, "text-anchor": anchor }, text);
  const first = minutes(0) ? `${minutes(0)} min ago` : "";
  return [label(0, "start", first), times.length > 20 ? label(middle, "middle", `${minutes(middle)} min`) : null, label(times.length - 1, "end", "now")];
}

function table(title, unit, times, series, format) {
  const rows = times.map((_, at) => times.length - 1 - at).slice(0, 90);
  return h("div", { class: "scroll tablebox", role: "region", tabindex: "0", "aria-label": `${title}, as a table` }, h("table", { class: "plain" },
    h("caption", { class: "unseen" }, `${title}${unit ? `, ${unit}` : ""}, newest first`),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Time"), series.map((line) => h("th", { scope: "col" }, line.name)))),
    h("tbody", {}, rows.map((at) => h("tr", {}, h("th", { scope: "row" }, when(times[at])), series.map((line) => h("td", { class: "number" }, line.values[at] === null ? "–" : format(line.values[at]))))))));
}

/** The next of 1, 2, 5, 10, ... above a number. */
function niceCeiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}
