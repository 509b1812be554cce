// The figures of the page, each drawn anew from its part of the state.

import { curve, element, extent, frame, picture } from "./draw.js";
import { amount, clock, dollars, number, percent, short, signed, span, whose } from "./format.js";

function nothing(place, words) {
  const note = document.createElement("p");
  note.className = "soft";
  note.textContent = words;
  place.replaceChildren(note);
}

export function profitCurve(place, columns) {
  if (!columns || columns.start_ms.length < 2) return nothing(place, "No profit yet.");
  const height = place.clientHeight || 240, last = columns.last.at(-1);
  const label = `Profit over time: now ${signed(last)} USD, lowest ${signed(Math.min(...columns.low))}, highest ${signed(Math.max(...columns.high))}`;
  const { svg, width } = picture(place, height, label);
  const values = [Math.min(0, ...columns.low), Math.max(0, ...columns.high)];
  const scales = frame(svg, width, height, extent(columns.start_ms), values);
  svg.append(element("line", { class: "zero", x1: 58, x2: width - 10, y1: scales.y(0), y2: scales.y(0) }));
  curve(svg, columns, scales);
  return undefined;
}

const SYMBOL = { option: "ring", hedge: "", exit: "ring", unwind: "ring" };

export function priceChart(place, columns, marks, scalps) {
  if (!columns || columns.start_ms.length < 2) return nothing(place, "No prices yet.");
  const height = place.clientHeight || 240, [t0, t1] = extent(columns.start_ms);
  const shown = marks.filter((mark) => mark.ts_ms >= t0);
  const hedges = shown.filter((mark) => mark.kind !== "option");
  const label = `Price over time: now ${dollars(columns.last.at(-1))} USD, with ${hedges.length} hedges`;
  const { svg, width } = picture(place, height, label);
  const low = Math.min(...columns.low, ...shown.map((m) => m.price)), high = Math.max(...columns.high, ...shown.map((m) => m.price));
  const scales = frame(svg, width, height, [t0, Math.max(t1, ...shown.map((m) => m.ts_ms))], [low, high]);
  curve(svg, columns, scales, "price");
  for (const scalp of scalps.last) {
    if (scalp.opened_ms < t0) continue;
    svg.append(element("line", {
      class: scalp.gross < 0 ? "scalp lost" : "scalp",
      x1: scales.x(scalp.opened_ms), y1: scales.y(scalp.open_price), x2: scales.x(scalp.closed_ms), y2: scales.y(scalp.close_price),
    }));
  }
  for (const mark of shown) svg.append(symbol(mark, scales.x(mark.ts_ms), scales.y(mark.price)));
  return undefined;
}

// Purchases point up, sales down; options are rings.
function symbol(mark, x, y) {
  const up = mark.amount > 0, text = `${clock(mark.ts_ms)} ${mark.kind} ${amount(mark.instrument, mark.amount)} ${mark.instrument} at ${dollars(mark.price)}`;
  const size = 5, tip = up ? -size : size;
  const made = mark.kind === "option"
    ? element("circle", { class: "ring", cx: x, cy: y, r: 5 })
    : element("path", { class: `${up ? "plus" : "minus"} ${SYMBOL[mark.kind] ?? ""}`, d: `M${x - size},${y - tip} L${x + size},${y - tip} L${x},${y + tip} Z` });
  made.append(element("title", {}, text));
  return made;
}

// Bars on either side of zero, largest names first as they come.
export function lineBars(place, rows, unit) {
  const digits = unit === "usd" ? 2 : 6;
  const shown = rows.filter((row) => Math.abs(row[unit]) >= 0.5 * 10 ** -digits || ["gamma", "theta", "fees"].includes(row.line));
  if (shown.length === 0) return nothing(place, "Nothing held yet.");
  const step = 22, height = step * shown.length + 6;
  const total = shown.map((row) => `${row.line.replace("_", " ")} ${signed(row[unit], digits)}`).join(", ");
  const { svg, width } = picture(place, height, `Profit by line: ${total}`);
  const names = 96, values = unit === "usd" ? 84 : 96, room = width - names - values;
  const low = Math.min(0, ...shown.map((r) => r[unit])), high = Math.max(0, ...shown.map((r) => r[unit]));
  const x = (v) => names + ((v - low) / (high - low || 1)) * room;
  shown.forEach((row, k) => {
    const v = row[unit], y = k * step + 3;
    svg.append(element("text", { class: "end strong", x: names - 8, y: y + 15 }, row.line.replace("_", " ")));
    svg.append(element("rect", { class: v < 0 ? "minus" : "plus", x: Math.min(x(v), x(0)), y: y + 3, width: Math.max(Math.abs(x(v) - x(0)), 0.8), height: step - 8, rx: 2 }));
    svg.append(element("text", { class: "end", x: width - 2, y: y + 15 }, signed(v, digits)));
  });
  svg.append(element("line", { class: "axis", x1: x(0), x2: x(0), y1: 0, y2: height }));
  return undefined;
}

export function deltaGauges(place, rows) {
  if (rows.length === 0) return nothing(place, "Nothing held yet.");
  place.replaceChildren(...rows.map((row) => {
    const box = document.createElement("div");
    place.append(box);
    (row.below === null ? measure : gauge)(box, row, place.clientWidth);
    return box;
  }));
  return undefined;
}

function heading(box, words) {
  const note = document.createElement("p");
  note.className = "soft";
  note.textContent = words;
  box.prepend(note);
}

function gauge(box, row) {
  const height = 58, reach = 1.6 * Math.max(-row.below, row.above, Math.abs(row.mismatch) / 1.5);
  const out = row.mismatch < row.below || row.mismatch > row.above;
  const label = `${whose(row.episode)}: delta ${signed(row.mismatch, 4)} coin, band from ${signed(row.below, 4)} to ${signed(row.above, 4)}${out ? ", outside" : ""}`;
  const { svg, width } = picture(box, height, label);
  const x = (v) => 8 + ((v + reach) / (2 * reach)) * (width - 16);
  svg.append(element("rect", { class: "track", x: 8, y: 14, width: width - 16, height: 20, rx: 4 }));
  svg.append(element("rect", { class: "band", x: x(row.below), y: 14, width: x(row.above) - x(row.below), height: 20 }));
  svg.append(element("line", { class: "zero", x1: x(0), x2: x(0), y1: 14, y2: 34 }));
  for (const edge of [row.below, row.above]) {
    svg.append(element("line", { class: "edge", x1: x(edge), x2: x(edge), y1: 10, y2: 38 }));
    svg.append(element("text", { class: "middle", x: x(edge), y: 51 }, signed(edge, 4)));
  }
  if (row.inner) for (const edge of [-row.inner, row.inner]) svg.append(element("line", { class: "inner", x1: x(edge), x2: x(edge), y1: 14, y2: 34 }));
  const at = x(row.mismatch);
  svg.append(element("path", { class: out ? "needle out" : "needle", d: `M${at},16 L${at - 6},5 L${at + 6},5 Z` }));
  svg.append(element("rect", { class: out ? "needle out" : "needle", x: at - 1.5, y: 12, width: 3, height: 24 }));
  const last = row.last_hedge_ms ? `, last at ${clock(row.last_hedge_ms)}` : "";
  heading(box, `${whose(row.episode)}, ${row.rule}: ${signed(row.mismatch, 4)} coin to be hedged; hedge ${signed(row.hedge_delta, 4)}, ${row.hedges} hedges${last}`);
}

// A rule without a band looks at time or at the price.
function measure(box, row) {
  const seen = row.measure, value = seen ? Math.abs(seen.value) : 0;
  const form = (v) => (!seen ? "" : seen.unit === "s" ? span(v) : seen.unit === "share" ? percent(v, 2) : `${number(v, 1)} ${seen.unit}`);
  const words = seen ? `${seen.name} ${form(value)} of ${form(seen.limit)}` : "no band";
  const { svg, width } = picture(box, 26, `${whose(row.episode)}: ${words}; delta ${signed(row.mismatch, 4)} coin`);
  svg.append(element("rect", { class: "track", x: 8, y: 4, width: width - 16, height: 16, rx: 4 }));
  if (seen) svg.append(element("rect", { class: "plus", x: 8, y: 4, width: Math.min(value / seen.limit, 1) * (width - 16), height: 16, rx: 4 }));
  heading(box, `${whose(row.episode)}, ${row.rule}: ${signed(row.mismatch, 4)} coin; ${words}; ${row.hedges} hedges`);
}

// Realised volatility as a bar; paid and break-even as marks on it.
export function paceBars(place, rows) {
  if (rows.length === 0) return nothing(place, "Nothing held yet.");
  place.replaceChildren(...rows.map((row) => {
    const box = document.createElement("div");
    place.append(box);
    const known = [row.realised, row.at_hedges, row.paid, row.breakeven, row.implied].filter((v) => v !== null);
    const most = 1.15 * Math.max(...known, 0.01);
    const even = row.breakeven === null ? "no break-even at these costs" : `break-even ${percent(row.breakeven)}`;
    const label = `${whose(row.episode)}: realised ${percent(row.realised)}, paid ${percent(row.paid)}, ${even}`;
    const { svg, width } = picture(box, 52, label);
    const names = 88, x = (v) => names + (v / most) * (width - names - 60);
    [["realised", row.realised], ["at hedges", row.at_hedges]].forEach(([name, v], k) => {
      const y = 4 + 24 * k, good = (v ?? 0) >= row.paid === row.long;
      svg.append(element("text", { class: "end strong", x: names - 8, y: y + 14 }, name));
      svg.append(element("rect", { class: "track", x: names, y, width: width - names - 60, height: 18, rx: 3 }));
      if (v !== null) svg.append(element("rect", { class: good ? "plus" : "minus", x: names, y, width: x(v) - names, height: 18, rx: 3 }));
      svg.append(element("text", { class: "end", x: width - 2, y: y + 14 }, percent(v)));
    });
    if (row.paid !== null) svg.append(element("line", { class: "tick", x1: x(row.paid), x2: x(row.paid), y1: 0, y2: 50 }));
    if (row.breakeven !== null) svg.append(element("line", { class: "break", x1: x(row.breakeven), x2: x(row.breakeven), y1: 0, y2: 50 }));
    legend(box, [["paid", `paid ${percent(row.paid)}`], ["even", even], ["", `implied now ${percent(row.implied)}`]]);
    heading(box, `${whose(row.episode)}, ${row.long ? "long" : "short"} since ${clock(row.entry_ms)}${row.told ? `: ${row.told}` : ""}`);
    return box;
  }));
  return undefined;
}

// Marks of a figure in words.
function legend(box, marks) {
  const note = document.createElement("p");
  note.className = "soft legend";
  for (const [kind, words] of marks) {
    const part = document.createElement("span");
    if (kind) part.append(Object.assign(document.createElement("i"), { className: kind }));
    part.append(words);
    note.append(part);
  }
  box.append(note);
}

const FORMS = { share: percent, s: span, "": (v) => number(v, 0) };
const form = (row, v) => (FORMS[row.unit] ?? short)(v);

export function limitBars(place, rows) {
  if (rows.length === 0) return nothing(place, "Nothing known yet.");
  const step = 25, height = step * rows.length;
  const words = rows.map((r) => `${r.name} ${form(r, r.used)}${r.limit === null ? "" : ` of ${form(r, r.limit)}`}`).join(", ");
  const { svg, width } = picture(place, height, `Limits and their use: ${words}`);
  const names = 124, values = 148, room = Math.max(width - names - values, 20);
  rows.forEach((row, k) => {
    const y = k * step + 3, share = row.share === null ? 0 : Math.min(Math.max(row.share, 0), 1);
    svg.append(element("text", { class: "end strong", x: names - 8, y: y + 14 }, row.name));
    if (row.limit !== null) {
      svg.append(element("rect", { class: "track", x: names, y: y + 2, width: room, height: 15, rx: 3 }));
      svg.append(element("rect", { class: row.share > 0.8 ? "minus" : "plus", x: names, y: y + 2, width: share * room, height: 15, rx: 3 }));
    }
    const unit = row.unit in FORMS ? "" : ` ${row.unit.split(" ")[0]}`;
    const text = row.limit === null ? `${form(row, row.used)}${unit}, no limit` : `${form(row, row.used)} of ${form(row, row.limit)}${unit}`;
    svg.append(element("text", { x: names + (row.limit === null ? 0 : room + 8), y: y + 14 }, text));
  });
  return undefined;
}
