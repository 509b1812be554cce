// The page of several books: their sums, once a second.
import { number, signed, tone } from "./format.js";

const at = (id) => document.getElementById(id);

function card(name, text, kind = "") {
  const box = document.createElement("div"), value = document.createElement("b"), label = document.createElement("span");
  box.className = "card";
  value.className = kind;
  value.textContent = text;
  label.textContent = name;
  box.append(value, label);
  return box;
}

function row(book) {
  const line = document.createElement("tr"), link = document.createElement("a"), first = document.createElement("td");
  link.href = `${encodeURIComponent(book.name)}/`;
  link.textContent = book.name;
  first.append(link);
  line.append(first);
  const cells = [
    [book.mode, ""], [number(book.price, book.price < 100 ? 5 : 1), "num"], [signed(book.delta, 4), "num"],
    [signed(book.gamma, 4), "num"], [signed(book.vega_usd, 0), "num"], [number(book.hedges, 0), "num"],
    [signed(book.profit_usd, 2), `num ${tone(book.profit_usd)}`],
  ];
  for (const [text, kind] of cells) {
    const cell = document.createElement("td");
    cell.className = kind;
    cell.textContent = text;
    line.append(cell);
  }
  return line;
}

async function look() {
  try {
    const answer = await fetch("sums", { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const { sums, books, time } = await answer.json();
    at("cards").replaceChildren(
      card("P&L today, USD", signed(sums.today_usd, 2), tone(sums.today_usd)),
      card("delta, USD", signed(sums.delta_usd, 0)),
      card("vega, USD a point", signed(sums.vega_usd, 0)),
    );
    at("tab-books").tBodies[0].replaceChildren(...books.map(row));
    at("when").textContent = time;
    at("banner").hidden = true;
  } catch {
    at("banner").textContent = "The dashboard does not answer: what is below is old.";
    at("banner").hidden = false;
  }
}

look();
setInterval(look, 1000);
