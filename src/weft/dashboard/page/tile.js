// One stream of pictures: the newest picture, what is known of it, and the numbers below.

import * as draw from "./draw.js";
import { now } from "./clock.js";
import { clockTime, duration, median } from "./format.js";

const RATE_MS = 2000;
const MOST_LABELS = 5;
const RECORDED_MS = 60000; // older than this it is no latency: somebody plays a recording

export class Tile {
  paused = false;
  broken = false; // its last picture could not be decoded
  picture = null; // the header of the one that is shown
  #drawn = []; // when pictures were drawn by this clock, and taken by the camera's
  #results;
  #clock;
  #page;
  #next = null;
  #found = []; // what is drawn on the picture

  // on: drawn(header), paused()
  constructor(name, { results, clock, page, on }) {
    this.name = name;
    this.on = on;
    this.#results = results;
    this.#clock = clock;
    this.#page = page;
    this.element = document.getElementById("tile").content.firstElementChild.cloneNode(true);
    this.element.dataset.stream = name;
    this.element.setAttribute("aria-label", `Stream ${name}`);
    const find = (selector) => this.element.querySelector(selector);
    find("h2").textContent = name;
    this.stage = find(".stage");
    this.canvas = find(".picture");
    this.overlay = find(".overlay");
    this.labels = find(".labels");
    this.veil = find(".veil");
    this.stats = Object.fromEntries(["fps", "latency", "dropped", "lateness"].map((key) => [key, find(`.${key}`)]));
    this.canvas.setAttribute("aria-label", this.#inWords());
    this.pauseButton = find(".pause");
    this.fullButton = find(".full");
    this.pauseButton.addEventListener("click", () => this.pause(!this.paused));
    this.fullButton.addEventListener("click", () => this.full());
    this.element.addEventListener("fullscreenchange", () => this.#fullChanged());
    new ResizeObserver(() => this.#resized()).observe(this.stage);
  }

  // A decoded picture. It is drawn with the screen's next frame; one that waits for that gives way.
  show(header, bitmap) {
    if (this.#next === null) {
      requestAnimationFrame(() => this.#draw());
    } else {
      this.#next.bitmap.close();
    }
    this.#next = { header, bitmap };
  }

  pause(paused) {
    this.paused = paused;
    this.pauseButton.setAttribute("aria-pressed", paused);
    this.pauseButton.textContent = paused ? "Go on" : "Pause";
    this.on.paused();
  }

  async full() {
    if (document.fullscreenElement === this.element) {
      await document.exitFullscreen();
    } else if (this.element.requestFullscreen) {
      await this.element.requestFullscreen();
    } else {
      this.element.classList.toggle("full"); // phones that let only videos fill the screen
      this.#fullChanged();
    }
  }

  // A result came, or boxes were turned on or off.
  refresh() {
    if (this.picture !== null) this.#annotate();
  }

  showState([state, words]) {
    const changed = this.element.dataset.state !== state;
    this.element.dataset.state = state;
    this.veil.textContent = words;
    return changed ? words || "live" : "";
  }

  showNumbers(told) {
    const since = now() - RATE_MS;
    this.#drawn = this.#drawn.filter((one) => one.at > since);
    const count = this.#drawn.length;
    this.element.dataset.fps = (count * 1000) / RATE_MS;
    this.stats.fps.textContent = count ? `${((count * 1000) / RATE_MS).toFixed(1)} /s` : "–";
    this.stats.fps.title = told?.fps === undefined ? "" : `${told.fps} a second reach the server`;
    this.#showLatency(count ? median(this.#drawn.map((one) => one.at + this.#clock.offset - one.taken)) : null);
    this.stats.dropped.textContent = this.picture?.dropped ?? 0;
    this.stats.dropped.dataset.warn = (this.picture?.dropped ?? 0) > 0;
    this.canvas.setAttribute("aria-label", this.#inWords());
  }

  #draw() {
    const { header, bitmap } = this.#next;
    this.#next = null;
    if (!this.paused || this.picture === null) {
      this.#paint(header, bitmap);
    }
    bitmap.close();
    this.on.drawn(header);
  }

  #paint(header, bitmap) {
    const { canvas } = this;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
      this.stage.style.aspectRatio = `${bitmap.width} / ${bitmap.height}`;
    }
    canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
    this.picture = header;
    this.broken = false;
    canvas.dataset.sequence = header.sequence;
    canvas.dataset.source = header.source;
    this.#drawn.push({ at: now(), taken: header.time });
    this.#annotate();
  }

  #annotate() {
    const found = this.#page.boxes ? this.#results.of(this.picture) : [];
    const area = draw.fit(this.overlay, this.canvas.width, this.canvas.height);
    draw.boxes(this.overlay, found, area, devicePixelRatio);
    this.#showLabels(found);
    this.#showLateness(found);
    this.#found = found;
  }

  #showLabels(found) {
    const labels = found.flatMap(({ note }) => note?.labels ?? []);
    const best = labels.sort((one, other) => (other.score ?? 0) - (one.score ?? 0)).slice(0, MOST_LABELS);
    const key = JSON.stringify(best);
    this.labels.dataset.late = found.some(({ note, late }) => note?.labels.length && late > 0);
    if (this.labels.dataset.key === key) return;
    this.labels.dataset.key = key;
    this.labels.replaceChildren(
      ...best.map((label) => {
        const item = document.createElement("li");
        item.textContent = draw.words(label);
        item.style.borderLeftColor = label.colour;
        return item;
      }),
    );
  }

  #showLateness(found) {
    const late = Math.max(...found.map((one) => one.late));
    const told = this.stats.lateness;
    told.textContent = !found.length ? "–" : late <= 0 ? "with the picture" : `${duration(late)} behind`;
    told.dataset.warn = found.some(({ note }) => note === null);
    this.overlay.dataset.late = found.length ? late : "";
  }

  #showLatency(latency) {
    const told = this.stats.latency;
    const known = latency !== null && this.#clock.known;
    this.element.dataset.latency = known ? latency : "";
    told.title = "";
    if (!known) {
      told.textContent = "–";
    } else if (latency > RECORDED_MS) {
      told.textContent = `taken ${clockTime(this.picture.time)}`;
    } else if (latency < -2 * this.#clock.doubt - 1) {
      told.textContent = "clocks differ";
      told.title = `The picture is from ${duration(-latency)} in the future: set the clock of the camera's machine`;
    } else {
      told.textContent = duration(Math.max(latency, 0));
      told.title =
        `From the capture to this screen. The server's clock differs by ${Math.round(this.#clock.offset)} ms ` +
        `± ${Math.ceil(this.#clock.doubt)} ms, which is taken into account`;
    }
  }

  #inWords() {
    if (this.picture === null) return `${this.name}: no picture yet`;
    const seen = this.#found.flatMap(({ note }) => [...(note?.boxes ?? []), ...(note?.labels ?? [])]);
    const words = seen.slice(0, 20).map(draw.words).filter(Boolean).join(", ");
    return `${this.name}: ${this.veil.textContent || "live"}${words ? `; shows ${words}` : ""}`;
  }

  #resized() {
    const { clientWidth, clientHeight } = this.stage;
    this.overlay.width = Math.round(clientWidth * devicePixelRatio);
    this.overlay.height = Math.round(clientHeight * devicePixelRatio);
    this.refresh();
  }

  #fullChanged() {
    const full = document.fullscreenElement === this.element || this.element.classList.contains("full");
    this.fullButton.setAttribute("aria-pressed", full);
    this.fullButton.textContent = full ? "Back" : "Full screen";
  }
}
