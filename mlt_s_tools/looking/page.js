"use strict";

const $ = (id) => document.getElementById(id);
const grid = $("grid");
const body = document.body;

/* What is compared where one searches: whatever the case and the Unicode form */
const plain = (text) => text.normalize().toLowerCase();
const asWord = (polygon) => ({ polygon, text: plain(`${polygon.dataset.transcription}\n${polygon.dataset.script}`) });

const pairs = [...grid.children].map((card) => ({
  card,
  words: [...card.querySelectorAll("polygon")].map(asWord),
  button: card.querySelector("button"),
  name: card.dataset.name,
  split: card.dataset.split,
  text: Number(card.dataset.text),
  uncertain: Number(card.dataset.uncertain),
  problems: Number(card.dataset.problems),
}));

const collator = new Intl.Collator("en", { numeric: true });
const byName = (a, b) => collator.compare(a.name, b.name) || collator.compare(a.split, b.split);
const orders = {
  name: byName,
  text: (a, b) => b.text - a.text || byName(a, b),
  "text-up": (a, b) => a.text - b.text || byName(a, b),
  uncertain: (a, b) => b.uncertain - a.uncertain || byName(a, b),
  "uncertain-up": (a, b) => a.uncertain - b.uncertain || byName(a, b),
  problems: (a, b) => b.problems - a.problems || byName(a, b),
};

let shown = []; // what the filters leave, in the order chosen
let current = null; // the pair in the large view, or the one that Tab reaches in the grid

/* Filter and sort */

function arrange() {
  const part = plain($("name").value.trim());
  const split = $("split").value;
  const isSought = (word) => part && word.text.includes(part);
  for (const word of pairs.flatMap((pair) => pair.words)) word.polygon.classList.toggle("sought", isSought(word));
  const fits = (pair) => plain(pair.name).includes(part) || pair.words.some(isSought);
  shown = pairs.filter((pair) => fits(pair) && (!split || pair.split === split));
  shown.sort(orders[$("sort").value]);
  for (const pair of pairs) pair.card.hidden = true;
  for (const pair of shown) pair.card.hidden = false;
  grid.append(...shown.map((pair) => pair.card));
  $("count").value = shown.length === pairs.length ? `${pairs.length}` : `${shown.length} of ${pairs.length}`;
  $("none").hidden = shown.length > 0;
  if (!shown.includes(current)) mark(shown[0]);
}

function mark(pair) {
  if (current) current.button.tabIndex = -1;
  current = pair || null;
  if (current) current.button.tabIndex = 0;
}

/* The large view: the part of the address after # names the pair, so the browser's "back" leads to the grid */

function follow() {
  const pair = pairs.find((each) => `#${each.card.id}` === location.hash);
  const wasLarge = body.classList.contains("large");
  body.classList.toggle("large", Boolean(pair));
  $("large").hidden = !pair;
  $("back").hidden = !pair;
  tell(null);
  if (pair) {
    mark(pair);
    draw(pair);
    if (!wasLarge) $("large").focus();
  } else if (wasLarge && current) {
    current.button.focus();
    current.card.scrollIntoView({ block: "nearest" });
  }
}

function draw(pair) {
  const stage = pair.card.querySelector(".stage").cloneNode(true);
  for (const picture of stage.querySelectorAll("img")) picture.decoding = "sync"; // no flash between two pairs
  for (const word of stage.querySelectorAll("polygon")) reach(word);
  $("large").querySelector(".stage").replaceWith(stage);
  const parts = [...pair.card.querySelectorAll(".caption, .problems")].map((part) => part.cloneNode(true));
  const place = document.createTextNode(` · ${shown.indexOf(pair) + 1} of ${shown.length}`);
  parts[0].querySelector(".title").append(place);
  $("about").replaceChildren(...parts);
}

function open(pair) {
  history.pushState({ opened: true }, "", `#${pair.card.id}`);
  follow();
}

function close() {
  if (history.state && history.state.opened) return history.back();
  history.replaceState(null, "", "#");
  follow();
}

function go(index) {
  const pair = shown[Math.max(0, Math.min(shown.length - 1, index))];
  if (!pair) return;
  if (body.classList.contains("large")) {
    history.replaceState(history.state, "", `#${pair.card.id}`);
    follow();
  } else {
    mark(pair);
    pair.button.focus();
  }
}

const step = (by) => go(shown.indexOf(current) + by);

/* How it looks */

function view(name) {
  body.dataset.view = name;
  document.querySelector(`[name=view][value=${name}]`).checked = true;
}

function strengthen(percent) {
  $("strength").value = percent;
  document.documentElement.style.setProperty("--strength", $("strength").value / 100);
}

function showWords(shown) {
  $("words").checked = shown;
  body.classList.toggle("no-words", !shown);
  tell(null);
}

/* Words */

const languages = { Arabic: "ar", Chinese: "zh", Japanese: "ja", Korean: "ko", Bangla: "bn" }; // for their own glyphs
const isUnreadable = (word) => word.classList.contains("unreadable");
const readingOf = (word) => (isUnreadable(word) ? "unreadable" : word.dataset.transcription);
const scriptOf = (word) => `Script: ${word.dataset.script}`;

/* Lets a word of the large view be reached by Tab and by tapping, and be read out */
function reach(word) {
  word.setAttribute("tabindex", "0");
  word.setAttribute("role", "img");
  word.setAttribute("aria-label", `${readingOf(word)}. ${scriptOf(word)}`);
}

/* Tells what a word reads, above it, or below where there is no room; with none, tells nothing */
function tell(word) {
  const tip = $("tip");
  tip.hidden = !word;
  if (!word) return;
  tip.classList.toggle("unread-word", isUnreadable(word));
  $("reading").textContent = readingOf(word);
  $("reading").lang = languages[word.dataset.script] || "";
  $("script").textContent = scriptOf(word);
  const [at, room, gap] = [word.getBoundingClientRect(), tip.getBoundingClientRect(), 8];
  const left = Math.min(at.left + (at.width - room.width) / 2, innerWidth - room.width - gap);
  const top = at.top - room.height - gap;
  tip.style.left = `${Math.max(gap, left)}px`;
  tip.style.top = `${top >= gap ? top : Math.min(at.bottom + gap, innerHeight - room.height - gap)}px`;
}

const wordAt = (place) => (place instanceof Element ? place.closest("polygon") : null);
document.addEventListener("pointerover", (event) => {
  if (event.pointerType !== "touch") tell(wordAt(event.target) || wordAt(document.activeElement));
});
document.addEventListener("focusin", (event) => tell(wordAt(event.target))); // by Tab, and by tapping
document.addEventListener("focusout", () => tell(null));
document.addEventListener("scroll", () => tell(null), { passive: true });

/* Keys */

const columns = () => getComputedStyle(grid).gridTemplateColumns.split(" ").length;
const moves = {
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
  ArrowUp: () => step(-columns()),
  ArrowDown: () => step(columns()),
  Home: () => go(0),
  End: () => go(shown.length - 1),
};
const stronger = (by) => strengthen(Number($("strength").value) + by);
const keys = {
  1: () => view("image"),
  2: () => view("label"),
  3: () => view("overlay"),
  "-": () => stronger(-10),
  "+": () => stronger(10),
  "=": () => stronger(10), // the same key as +, without shift
  w: () => showWords(!$("words").checked),
  "/": () => (body.classList.contains("large") ? null : $("name").focus()),
  "?": () => $("keys").showModal(),
};

document.addEventListener("keydown", (event) => {
  const control = event.target.closest("input, select");
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
  if (event.key === "Escape" && body.classList.contains("large")) return close();
  if (control && !["radio", "range", "checkbox"].includes(control.type)) return;
  const large = body.classList.contains("large");
  const vertical = event.key === "ArrowUp" || event.key === "ArrowDown";
  const act = keys[event.key] || (control || (large && vertical) ? null : moves[event.key]);
  if (!act) return;
  event.preventDefault();
  act();
});

/* Pointer */

let start = null; // where a finger went down on the large picture
$("large").addEventListener("pointerdown", (event) => {
  start = event.isPrimary && event.target.closest(".stage") ? event : null;
});
$("large").addEventListener("pointerup", (event) => {
  if (!start || event.pointerId !== start.pointerId) return;
  const [x, y] = [event.clientX - start.clientX, event.clientY - start.clientY];
  start = null;
  if (Math.abs(x) > 40 && Math.abs(x) > 2 * Math.abs(y)) step(x < 0 ? 1 : -1);
});
$("large").addEventListener("dragstart", (event) => event.preventDefault());

grid.addEventListener("click", (event) => {
  const card = event.target.closest(".pair");
  if (card) open(pairs.find((pair) => pair.card === card));
});
$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  go(0);
});
$("find").addEventListener("input", arrange);
$("look").addEventListener("change", (event) => {
  if (event.target.name === "view") view(event.target.value);
  if (event.target.id === "words") showWords(event.target.checked);
});
$("strength").addEventListener("input", () => strengthen($("strength").value));
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));
$("back").addEventListener("click", close);
$("help").addEventListener("click", () => $("keys").showModal());
window.addEventListener("popstate", follow);

/* Start */

for (const { card } of pairs) {
  const picture = card.querySelector("img");
  if (!picture) continue;
  const [width, height] = ["width", "height"].map((name) => picture.getAttribute(name));
  card.querySelector(".picture").style.setProperty("--ratio", width / height);
}
for (const split of new Set(pairs.map((pair) => pair.split))) $("split").add(new Option(split));
if (pairs.some((pair) => pair.problems)) $("sort").value = "problems";
else $("sort").querySelector("[value=problems]").remove();
if (!pairs.some((pair) => pair.words.length)) {
  for (const part of document.querySelectorAll(".of-words")) part.remove();
  delete keys.w;
}
strengthen($("strength").value);
arrange();
view(document.querySelector("[name=view]:checked").value);
follow();
