// Numbers and times as they are written on the page.

export const DASH = "–";
export const whose = (episode) => (episode < 0 ? "The book" : `Episode ${episode}`);
const known = (x) => typeof x === "number" && Number.isFinite(x);

export function number(x, digits = 2, signed = false) {
  if (!known(x)) return DASH;
  const rounded = Number(x.toFixed(digits)) + 0;
  const text = Math.abs(rounded).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const sign = rounded < 0 ? "−" : signed && rounded > 0 ? "+" : "";
  return sign + text;
}

export const counted = (count, word) => `${number(count, 0)} ${word}${count === 1 ? "" : "s"}`;
export const signed = (x, digits = 2) => number(x, digits, true);
export const percent = (x, digits = 1) => (known(x) ? number(100 * x, digits) + " %" : DASH);
export const tone = (x) => (!known(x) || x === 0 ? "" : x > 0 ? "gain" : "loss");

// About four significant digits, for limits of any size.
export function short(x) {
  if (!known(x)) return DASH;
  const size = Math.abs(x);
  return number(x, size >= 1000 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 3 : 4);
}

// What an instrument's name says: coin-settled options are quoted in coin, coin-settled futures counted in USD.
const option = (name) => /-[CP]$/.test(name);
const linear = (name) => /^[^-]*_/.test(name);

// A price in USD: five digits, at least one after the point, of a coin of cents as of one of thousands.
export function dollars(x) {
  const before = known(x) && Math.abs(x) >= 1 ? String(Math.floor(Math.abs(x))).length : 0;
  return number(x, Math.max(5 - before, 1));
}

export const price = (name, x) => (option(name) && !linear(name) ? number(x, 4) : dollars(x));
export const amount = (name, x) => number(x, option(name) ? 2 : linear(name) ? 4 : 0, true);
export const clock = (ms) => (known(ms) ? new Date(ms).toISOString().slice(11, 19) : DASH);
export const day = (ms) => (known(ms) ? new Date(ms).toISOString().slice(0, 19).replace("T", " ") : DASH);

export function span(seconds) {
  if (!known(seconds)) return DASH;
  if (seconds < 10) return seconds.toFixed(1) + " s";
  if (seconds < 120) return Math.round(seconds) + " s";
  if (seconds < 7200) return Math.floor(seconds / 60) + " min";
  return seconds < 172800 ? (seconds / 3600).toFixed(1) + " h" : (seconds / 86400).toFixed(1) + " d";
}
