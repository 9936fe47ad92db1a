// One stream of text: its last lines, the newest at the end.

import { clockTime } from "./format.js";

const LINES = 200;
const MOST_SOURCES = 64;

export class Panel {
  sources = new Set(); // whose results it shows
  onlyResults = true;
  #waiting = [];

  constructor(name) {
    this.name = name;
    this.element = document.getElementById("panel").content.firstElementChild.cloneNode(true);
    this.element.dataset.stream = name;
    this.element.setAttribute("aria-label", `Stream ${name}`);
    this.element.querySelector("h2").textContent = name;
    this.log = this.element.querySelector(".log");
    this.log.setAttribute("aria-label", `Last frames of ${name}`);
  }

  // Lines are added with the screen's next frame; what scrolled by before that was never there.
  add(note) {
    if (!this.#waiting.length) requestAnimationFrame(() => this.#flush());
    this.#waiting.push(note);
    if (this.sources.size < MOST_SOURCES) this.sources.add(note.source);
    if (!note.boxes) this.onlyResults = false;
    if (this.#waiting.length > LINES) this.#waiting.shift();
  }

  showState([state, words]) {
    const changed = this.element.dataset.state !== state;
    this.element.dataset.state = state;
    this.element.querySelector(".state").textContent = words || state;
    return changed ? words || "live" : "";
  }

  showNumbers(told) {
    this.element.querySelector(".fps").textContent = told?.fps === undefined ? "–" : `${told.fps.toFixed(1)} /s`;
  }

  #flush() {
    const { log } = this;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 8;
    log.append(...this.#waiting.map(line));
    this.#waiting = [];
    while (log.childElementCount > LINES) log.firstElementChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }
}

function line(note) {
  const item = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = clockTime(note.time);
  item.append(time, note.text);
  return item;
}
