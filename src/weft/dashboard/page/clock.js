// How this computer's clock differs from the server's, from pings: the one that came back fastest is the most exact.

const KEPT = 8;

export function now() {
  return performance.timeOrigin + performance.now();
}

export class Clock {
  #samples = [];

  // at: when the ping left; server: the server's time in its answer. All in milliseconds.
  sample(at, server, back = now()) {
    this.#samples.push({ trip: back - at, offset: server - (at + back) / 2 });
    if (this.#samples.length > KEPT) this.#samples.shift();
  }

  forget() {
    this.#samples = [];
  }

  get known() {
    return this.#samples.length > 0;
  }

  get #best() {
    return this.#samples.reduce((best, one) => (one.trip < best.trip ? one : best));
  }

  // Milliseconds that the server's clock is ahead of this one.
  get offset() {
    return this.known ? this.#best.offset : 0;
  }

  // By how much that may be wrong.
  get doubt() {
    return this.known ? this.#best.trip / 2 : Infinity;
  }
}
