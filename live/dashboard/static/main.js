// Puts the state on the page: each part is drawn when it has changed, at most once a frame.

import { follow } from "./stream.js";
import * as figures from "./figures.js";
import * as tables from "./tables.js";
import { clock, counted, signed, span } from "./format.js";

const at = (id) => document.getElementById(id);
const LOST_S = 12; // more than two beats of the server
let state = null, linked = false, unit = "usd", asked = false, silence = () => 0;
const changed = new Set();

// What is drawn from which sections.
const PARTS = [
  [["session", "health", "mode"], head],
  [["profit", "greeks", "market", "session", "health", "scalps"], () => tables.cards(at("cards"), state)],
  [["curves", "size"], () => figures.profitCurve(at("fig-profit"), state.curves.profit)],
  [["curves", "marks", "scalps", "size"], () => figures.priceChart(at("fig-price"), state.curves.price, state.marks, state.scalps)],
  [["lines", "unit", "size"], lines],
  [["gauges", "size"], () => figures.deltaGauges(at("fig-delta"), state.gauges)],
  [["greeks"], () => tables.greeks(at("greeks"), state.greeks)],
  [["pace", "size"], () => figures.paceBars(at("fig-pace"), state.pace)],
  [["limits", "size"], () => figures.limitBars(at("fig-limits"), state.limits)],
  [["positions"], () => tables.positions(at("tab-positions"), state.positions)],
  [["orders"], () => tables.orders(at("tab-orders"), state.orders)],
  [["fills"], () => tables.fills(at("tab-fills"), state.fills)],
  [["alerts"], () => tables.alerts(at("list-alerts"), state.alerts)],
  [["session", "health"], () => tables.facts(at("facts"), state)],
  [["scalps", "session"], scalps],
];

function head() {
  const { session, mode } = state, box = at("mode");
  const where = [session.currency, session.venue, session.paper ? "on paper" : "", session.journal].filter(Boolean).join(" · ");
  at("subtitle").textContent = where || "waiting";
  document.title = `${state.profit ? `${signed(state.profit.usd, 0)} USD · ` : ""}gammacore`;
  at("coin").textContent = session.currency ?? "coin";
  const name = session.phase === "ended" ? "ENDED" : mode?.name ?? "WAITING";
  const words = session.phase === "ended" ? "the session has ended" : (mode?.reasons ?? []).join("; ");
  if (box.dataset.told !== name + words) { // said aloud when it changes, not at every record
    box.dataset.told = name + words;
    box.className = `mode ${name}`;
    box.firstElementChild.textContent = name.replace("_", " ");
    box.lastElementChild.textContent = words;
  }
  banner();
}

function banner() {
  const { session, health } = state ?? {}, box = at("banner");
  let words = "";
  if (!linked || silence() > LOST_S) words = "No connection to the dashboard: what is shown is old";
  else if (!session) words = "Waiting for the state";
  else if (session.phase === "broken") words = `Nothing more is read: ${session.waiting}`;
  else if (session.phase === "waiting") words = `Waiting: ${session.waiting}`;
  else if (session.phase === "catching up") words = `Reading the journal: ${session.behind.toLocaleString("en-US")} records to go`;
  else if (health.stale) words = `Nothing new for ${span(health.silent_s)}: what is shown is old`;
  else if (session.phase === "replay") words = "A replay of the journal, not the session itself";
  else if (session.phase === "live" && session.idle) words = `Nothing held: ${session.idle}`;
  if (box.textContent !== words) box.textContent = words;
  box.hidden = words === "";
}

function lines() {
  const found = state.lines ?? { rows: [] };
  figures.lineBars(at("fig-lines"), found.rows, unit);
  const total = unit === "usd" ? `${signed(found.usd)} USD` : `${signed(found.coin, 8)} ${state.session.currency ?? "coin"}`;
  at("lines-note").textContent = found.failed ? `Not explained: ${found.failed}` : found.rows.length ? `Sum of all lines ${total}, at ${clock(found.ts_ms)}` : "";
}

function scalps() {
  const { count, gross } = state.scalps;
  const own = state.session.settlement === "linear" ? "USD" : state.session.currency ?? "coin";
  at("scalps-note").textContent = `▲ bought, ▼ sold, ○ options; lines join what was bought and sold again: ${counted(count, "scalp")}, ${signed(gross, 8)} ${own} before fees`;
}

function draw() {
  asked = false;
  if (!state || !state.session) return;
  const seen = new Set(changed);
  changed.clear();
  for (const [needs, part] of PARTS) if (needs.some((name) => seen.has(name))) part();
  document.documentElement.dataset.seq = state.session.seq;
}

function ask(names) {
  for (const name of names) changed.add(name);
  if (!asked) { asked = true; requestAnimationFrame(draw); }
}

silence = follow(
  (next, names) => { state = next; ask(names); },
  (on) => { linked = on; banner(); },
);
setInterval(banner, 1000);
for (const input of document.querySelectorAll("input[name=unit]")) input.addEventListener("change", () => { unit = input.value; ask(["unit"]); });
let width = 0;
new ResizeObserver(([entry]) => {
  if (entry.contentRect.width === width) return; // heights change with what is drawn
  width = entry.contentRect.width;
  ask(["size"]);
}).observe(document.querySelector("main"));
banner();
