// What all figures share: elements, scales, axes.

import { number } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// A picture as wide as its place, described for those who do not see it.
export function picture(place, height, label) {
  const width = Math.max(place.clientWidth, 240);
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  svg.append(element("title", {}, label));
  place.replaceChildren(svg);
  return { svg, width };
}

// Round numbers between two values.
export function ticks(low, high, wanted) {
  const rough = (high - low) / Math.max(wanted, 1);
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((k) => k * size).find((s) => s >= rough);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high + 1e-9 * step; k += 1) found.push(k * step);
  return { found, digits: Math.max(0, Math.min(8, -Math.floor(Math.log10(step) + 1e-9) + (String(step / size) === "2.5" ? 1 : 0))) };
}

const SPANS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];

export function timeTicks(low, high, wanted) {
  const rough = (high - low) / 1000 / Math.max(wanted, 1);
  const step = 1000 * (SPANS.find((s) => s >= rough) ?? 604800);
  const found = [];
  for (let t = Math.ceil(low / step) * step; t <= high; t += step) found.push(t);
  const cut = step >= 86400000 ? [5, 10] : step >= 60000 ? [11, 16] : [11, 19];
  return found.map((t) => [t, new Date(t).toISOString().slice(...cut)]);
}

// Axes of a chart over time; returns the scales.
export function frame(svg, width, height, [t0, t1], [low, high]) {
  const left = 58, right = 10, top = 10, bottom = 22;
  if (!(t1 > t0)) t1 = t0 + 1000;
  if (!(high > low)) { const pad = Math.abs(low) * 1e-4 || 1; low -= pad; high += pad; }
  const pad = 0.06 * (high - low);
  low -= pad; high += pad;
  const x = (t) => left + ((t - t0) / (t1 - t0)) * (width - left - right);
  const y = (v) => top + ((high - v) / (high - low)) * (height - top - bottom);
  const { found, digits } = ticks(low, high, (height - top - bottom) / 42);
  for (const v of found) {
    svg.append(element("line", { class: "grid", x1: left, x2: width - right, y1: y(v), y2: y(v) }));
    svg.append(element("text", { class: "end", x: left - 6, y: y(v) + 4 }, number(v, digits)));
  }
  for (const [t, text] of timeTicks(t0, t1, (width - left - right) / 90)) {
    svg.append(element("text", { class: "middle", x: Math.min(Math.max(x(t), left + 18), width - 28), y: height - 5 }, text));
  }
  svg.append(element("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }));
  return { x, y, low, high };
}

// A curve of thinned stretches: the last value of each, and the span between its extremes.
export function curve(svg, columns, { x, y }, kind = "") {
  const n = columns.start_ms.length;
  if (n === 0) return;
  const point = (k, v) => `${x(columns.start_ms[k]).toFixed(1)},${y(v).toFixed(1)}`;
  const upper = [], lower = [], line = [];
  for (let k = 0; k < n; k += 1) {
    upper.push(point(k, columns.high[k]));
    lower.unshift(point(k, columns.low[k]));
    line.push(point(k, columns.last[k]));
  }
  svg.append(element("polygon", { class: `span ${kind}`, points: upper.concat(lower).join(" ") }));
  svg.append(element("polyline", { class: `curve ${kind}`, points: line.join(" ") }));
}

export const extent = (values) => [Math.min(...values), Math.max(...values)];
