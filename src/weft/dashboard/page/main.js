// The page: what the server says goes to the tile or panel of its stream.

import { Clock } from "./clock.js";
import { Link } from "./link.js";
import { Panel } from "./panel.js";
import { Results } from "./results.js";
import { stateOf } from "./state.js";
import { Tile } from "./tile.js";

const MOST_STREAMS = 64;
const TICK_MS = 500;
const FIRST_PINGS = 4;
const MOST_UNPLACED = 200;

const page = { connected: false, noLink: "", boxes: true, instance: "", version: "" };
const clock = new Clock();
const results = new Results();
const tiles = new Map();
const panels = new Map();
const sources = new Set(); // of the pictures
const unplaced = [];
let state = { streams: {}, counters: {} };
let stateAt = 0;
let patterns = [];
let notice = "";

const byId = (id) => document.getElementById(id);
const link = new Link({ open: opened, lost, text, picture });

// --- from the server -------------------------------------------------------------------------

function text(message) {
  const take = { hello, state: takeState, notes: takeNotes, pong }[message.type];
  take?.(message);
}

function hello(message) {
  if (page.version && page.version !== message.version) location.reload(); // the server was updated: so is its page
  Object.assign(page, { version: message.version, instance: message.instance });
  patterns = message.patterns;
  byId("title").textContent = patterns.join(" ");
  document.title = `${patterns.join(" ")} · Weft view`;
  for (let count = 1; count <= FIRST_PINGS; count++) setTimeout(() => link.ping(), 150 * count);
  tick();
}

function takeState(message) {
  state = message;
  stateAt = performance.now();
  page.noLink = message.no_link;
  tick();
}

function takeNotes(message) {
  for (const note of message.notes) {
    if (note.boxes) {
      results.add(note);
      unplaced.push(note);
      if (unplaced.length > MOST_UNPLACED) unplaced.shift();
    } else {
      write(note);
    }
  }
  const changed = new Set(message.notes.map((note) => note.source));
  for (const tile of tiles.values()) if (changed.has(tile.picture?.source)) tile.refresh();
  link.send({ type: "noted", number: message.number });
}

function write(note) {
  place(panels, note.stream, () => new Panel(note.stream))?.add(note);
}

// Results are drawn on the pictures of their source. Where none came for a while, they are shown as text.
function writeUnplaced() {
  for (const note of unplaced.splice(0)) if (!sources.has(note.source)) write(note);
  for (const [name, panel] of panels) {
    if ([...panel.sources].every((source) => sources.has(source)) && panel.onlyResults) {
      panel.element.remove();
      panels.delete(name);
    }
  }
}

function pong(message) {
  clock.sample(message.at, message.now);
}

async function picture(header, blob) {
  const tile = tileOf(header.stream);
  remember(header.source);
  try {
    const bitmap = await createImageBitmap(blob);
    if (tile) tile.show(header, bitmap);
    else bitmap.close();
  } catch {
    if (tile) tile.broken = true;
    drawn(header); // the next one may be better
  }
}

function drawn(header) {
  link.send({ type: "drawn", stream: header.stream, number: header.number });
}

// --- streams ---------------------------------------------------------------------------------

function tileOf(name) {
  const make = () => new Tile(name, { results, clock, page, on: { drawn, paused: sendPaused } });
  return place(tiles, name, make);
}

// Adds a stream in the order of the names; null where there are too many.
function place(all, name, make) {
  if (!all.has(name)) {
    if (tiles.size + panels.size >= MOST_STREAMS) return null;
    const one = make();
    all.set(name, one);
    const after = [...byId("grid").children].find((card) => order(card) > order(one.element));
    byId("grid").insertBefore(one.element, after ?? null);
  }
  return all.get(name);
}

function order(card) {
  return `${card.classList.contains("tile") ? 0 : 1} ${card.dataset.stream}`;
}

function remember(source) {
  if (sources.size < MOST_STREAMS) sources.add(source);
}

// --- how it is -------------------------------------------------------------------------------

function tick() {
  for (const [name, told] of Object.entries(state.streams)) {
    if (told.kind === "picture") tileOf(name);
  }
  writeUnplaced();
  const age = performance.now() - stateAt;
  const news = [];
  for (const one of [...tiles.values(), ...panels.values()]) {
    const told = state.streams[one.name];
    const changed = one.showState(stateOf(told, age, page, one));
    one.showNumbers(told);
    if (changed) news.push(`${one.name}: ${changed}`);
  }
  if (news.length) byId("news").textContent = news.join("; ");
  showEmpty();
  showTotals();
}

function showEmpty() {
  const missing = state.missing ?? [];
  byId("empty").hidden = !page.connected || !missing.length;
  byId("empty").textContent = `Nobody publishes ${missing.join(", ")} now.`;
}

function showTotals() {
  const { counters, viewers = 0, left_out: leftOut = 0, notes_dropped: notes = 0 } = state;
  const lost = Object.entries({ ...counters, "left out": leftOut, "results dropped": notes })
    .filter(([name, count]) => name !== "received" && count)
    .map(([name, count]) => `${count} ${name}`);
  const open = viewers > 1 ? `, ${viewers} pages open` : "";
  byId("totals").textContent = `${counters.received ?? 0} frames reached the server${lost.length ? `, ${lost.join(", ")}` : ""}${open}`;
}

// --- the connection --------------------------------------------------------------------------

function opened() {
  page.connected = true;
  clock.forget();
  showConnection("Connected");
  showNotice("");
  sendPaused();
}

function lost(why, pause) {
  page.connected = false;
  showConnection(`Not connected: ${why}; trying again in ${Math.ceil(pause / 1000)} s`, "lost");
  showNotice(why.includes("weft view") ? `The server cannot be seen: ${why}.` : "");
  tick();
}

function showConnection(words, how = "") {
  byId("connection").textContent = words;
  byId("connection").dataset.state = how;
}

function showNotice(words) {
  if (notice === words) return;
  notice = words;
  byId("notice").hidden = !words;
  byId("notice").textContent = words;
}

// --- what people do --------------------------------------------------------------------------

function sendPaused() {
  const streams = [...tiles.values()].filter((tile) => tile.paused).map((tile) => tile.name);
  link.send({ type: "pause", streams, hidden: document.hidden });
  const all = tiles.size > 0 && streams.length === tiles.size;
  byId("pause-all").setAttribute("aria-pressed", all);
  byId("pause-all").textContent = all ? "Go on" : "Pause";
  tick();
}

function pauseAll() {
  const pause = byId("pause-all").getAttribute("aria-pressed") !== "true";
  for (const tile of tiles.values()) if (tile.paused !== pause) tile.pause(pause);
}

function showBoxes() {
  page.boxes = !page.boxes;
  byId("boxes").setAttribute("aria-pressed", page.boxes);
  for (const tile of tiles.values()) tile.refresh();
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const tile = tiles.get(event.target.closest?.(".tile")?.dataset.stream);
  const done = {
    " ": () => (tile ? tile.pause(!tile.paused) : pauseAll()),
    f: () => (tile ?? tiles.values().next().value)?.full(),
    b: showBoxes,
    "?": () => byId("help").showModal(),
  }[event.key.toLowerCase()];
  if (!done || (event.key === " " && event.target.closest?.("button, .log"))) return;
  event.preventDefault();
  done();
}

byId("pause-all").addEventListener("click", pauseAll);
byId("boxes").addEventListener("click", showBoxes);
byId("help-button").addEventListener("click", () => byId("help").showModal());
document.addEventListener("keydown", key);
document.addEventListener("visibilitychange", sendPaused);
// The token has done its work: the browser has a cookie now, and the address may be shown.
if (location.search) history.replaceState(null, "", location.pathname);
setInterval(tick, TICK_MS);
link.connect();
