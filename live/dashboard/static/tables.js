// Cards, tables and lists.

import { amount, clock, counted, DASH, day, dollars, number, percent, price, short, signed, span, tone } from "./format.js";

function cell(row, text, kind = "", name = "td") {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  if (name === "th") made.scope = "col";
  row.append(made);
}

// Columns: title, text of a row, class (or what gives it).
function table(place, columns, rows, none) {
  const head = document.createElement("thead"), body = document.createElement("tbody"), titles = document.createElement("tr");
  for (const [title, , kind] of columns) cell(titles, title, typeof kind === "string" && kind ? kind : kind ? "num" : "", "th");
  head.append(titles);
  for (const row of rows) {
    const line = document.createElement("tr");
    for (const [, text, kind] of columns) cell(line, text(row), typeof kind === "function" ? kind(row) : kind);
    body.append(line);
  }
  if (rows.length === 0) {
    const line = document.createElement("tr");
    cell(line, none, "empty");
    line.firstChild.colSpan = columns.length;
    body.append(line);
  }
  place.replaceChildren(head, body);
}

const toned = (name) => (row) => `num ${tone(row[name])}`;

export function positions(place, rows) {
  table(place, [
    ["episode", (r) => (r.episode < 0 ? "book" : String(r.episode)), "num"],
    ["instrument", (r) => r.instrument, ""],
    ["size", (r) => amount(r.instrument, r.size), "num"],
    ["entry", (r) => price(r.instrument, r.entry), "num"],
    ["mark", (r) => price(r.instrument, r.mark), "num"],
    ["value USD", (r) => number(r.value_usd), "num"],
    ["profit USD", (r) => signed(r.pnl_usd), toned("pnl_usd")],
    ["delta", (r) => signed(r.delta, 4), "num"],
    ["gamma", (r) => signed(r.gamma, 4), "num"],
    ["vega", (r) => signed(r.vega_usd), "num"],
    ["theta", (r) => signed(r.theta_usd), "num"],
    ["vol", (r) => percent(r.vol), "num"],
    ["days left", (r) => number(r.tau_days, 2), "num"],
  ], rows, "nothing is held");
}

export function greeks(place, seen) {
  const coin = (name, digits) => (seen ? signed(seen[`${name}_coin`], digits) : DASH);
  const usd = (name, digits = 2) => (seen ? signed(seen[`${name}_usd`], digits) : DASH);
  table(place, [["", (r) => r[0], ""], ["coin", (r) => coin(r[1], r[2]), "num"], ["USD", (r) => usd(r[1]), "num"]], [
    ["delta", "delta", 4], ["gamma per 1 %", "gamma", 4], ["vega per point", "vega", 6], ["theta per day", "theta", 6], ["options' value", "options", 6],
  ], "");
}

export function orders(place, rows) {
  table(place, [
    ["order", (r) => r.order, ""],
    ["purpose", (r) => r.purpose, ""],
    ["legs", (r) => r.legs.map((leg) => `${amount(leg.instrument, leg.amount)} ${leg.instrument}`).join(", "), ""],
    ["state", (r) => r.stage, ""],
    ["price", (r) => price(r.legs[0]?.instrument ?? "", r.limit), "num"],
    ["tries", (r) => String(r.tries), "num"],
    ["since", (r) => clock(r.since_ms), "num"],
  ], rows, "nothing is at work");
}

export function fills(place, rows) {
  table(place, [
    ["time", (r) => clock(r.ts_ms), ""],
    ["order", (r) => r.order, ""],
    ["instrument", (r) => r.instrument, ""],
    ["amount", (r) => amount(r.instrument, r.amount), "num"],
    ["price", (r) => price(r.instrument, r.price), "num"],
    ["mark", (r) => price(r.instrument, r.mark), "num"],
    ["fee", (r) => number(r.fee, 8), "num"],
  ], [...rows].reverse(), "none yet");
}

export function alerts(place, rows) {
  place.replaceChildren(...[...rows].reverse().map((row) => {
    const item = document.createElement("li"), when = document.createElement("time"), level = document.createElement("b");
    item.className = row.level;
    when.textContent = clock(row.ts_ms);
    when.dateTime = new Date(row.ts_ms).toISOString();
    level.textContent = row.level;
    item.append(when, level, row.text);
    return item;
  }));
}

export function cards(place, state) {
  const { profit, greeks: seen, market, session, health, scalps } = state;
  const coin = session.currency ?? "coin";
  const shown = [
    ["profit", profit ? `${signed(profit.usd)} USD` : DASH, profit ? `${signed(profit.coin, 8)} ${coin}` : "", profit ? tone(profit.usd) : ""],
    ["today", profit ? `${signed(profit.today_usd)} USD` : DASH, "since 00:00 UTC", profit ? tone(profit.today_usd) : ""],
    [coin, market ? `${dollars(market.index)} USD` : DASH, market ? `${day(market.ts_ms)}` : "", ""],
    ["delta", seen ? `${signed(seen.delta_coin, 4)}` : DASH, seen ? `${signed(seen.delta_usd, 0)} USD` : "", ""],
    ["hedges", `${number(session.hedges, 0)}`, `${counted(scalps.count, "scalp")}, ${counted(session.filled, "fill")}`, ""],
    ["last price", span(health.price_age_s), counted(session.events, "event"), health.stale ? "loss" : ""],
  ];
  place.replaceChildren(...shown.map(([name, value, detail, kind]) => {
    const card = document.createElement("div");
    card.className = "card";
    card.dataset.card = name;
    for (const [tag, text, look] of [["span", name, ""], ["b", value, kind], ["span", detail, ""]]) {
      const part = document.createElement(tag);
      part.textContent = text;
      part.className = look;
      card.append(part);
    }
    return card;
  }));
}

export function facts(place, { session, health }) {
  const paper = session.paper ? ", on paper" : "";
  const rows = [
    ["connection", health.link ?? "not told by this journal"],
    ["last price", `${span(health.price_age_s)} ago`],
    ["last record", `${span(health.silent_s)} ago`],
    ["reconnects, gaps", `${health.reconnects}, ${health.gaps}`],
    ["clock", health.skew_s ? `${signed(health.skew_s, 3)} s off` : "as the exchange's"],
    ["decisions", health.parity ? "replay check passed" : "replay check failed"],
    ["venue", `${session.venue ?? "not told by this journal"}${paper}`],
    ["journal", `${session.journal ?? DASH}, record ${number(session.seq, 0)}`],
    ["versions", `session ${session.version ?? DASH}, page ${session.shown_by}`],
    ["begun", `${day(session.first_ms)}, ${counted(session.starts, "start")}`],
    ["up", `${span(session.uptime_s)} by the journal's clock${session.speed > 1 ? `, ${short(session.speed)} times as fast as ours` : ""}`],
  ];
  place.replaceChildren(...rows.flatMap(([name, text]) => {
    const term = document.createElement("dt"), told = document.createElement("dd");
    term.textContent = name;
    told.textContent = text;
    return [term, told];
  }));
}
