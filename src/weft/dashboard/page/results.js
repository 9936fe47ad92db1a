// Boxes and labels, and the picture they belong to: by source and sequence. What comes late goes with the newest picture.

const KEPT = 64; // of each stream and source
const MOST = 64; // sources, and streams of each
const STALE_MS = 2000; // older than the picture by more: not shown any more

export class Results {
  #sources = new Map();

  add(note) {
    const streams = entry(this.#sources, note.source, () => new Map());
    const kept = entry(streams, note.stream, () => []);
    kept.push(note);
    if (kept.length > KEPT) kept.shift();
  }

  // What to draw on a picture: per results stream the one of this picture, or else the last one before it, and how
  // many milliseconds that is behind; null where it is too old.
  of(picture) {
    const found = [];
    for (const kept of this.#sources.get(picture.source)?.values() ?? []) {
      const own = kept.findLast((note) => note.sequence === picture.sequence && note.time === picture.time);
      const note = own ?? before(kept, picture.time);
      if (note) {
        const late = own ? 0 : picture.time - note.time;
        found.push({ note: late > STALE_MS ? null : note, late });
      }
    }
    return found;
  }
}

function before(kept, time) {
  return kept.reduce((best, note) => (note.time < time && (!best || note.time >= best.time) ? note : best), null);
}

function entry(map, key, make) {
  if (!map.has(key)) {
    if (map.size >= MOST) map.delete(map.keys().next().value);
    map.set(key, make());
  }
  return map.get(key);
}
