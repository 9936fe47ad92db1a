// The socket to the server. One that was lost is opened again, with pauses that grow, until it works.

const FIRST_MS = 500;
const MOST_MS = 15000;
const SILENT_MS = 10000; // the server says something every second
const PING_MS = 5000;
const FULL = 1013;

export class Link {
  #socket = null;
  #on;
  #pause = FIRST_MS;
  #heard = 0;
  #timer = 0;

  // on: text(message), picture(header, blob), open(), lost(why, retry in ms), ping() gives what to send.
  constructor(on) {
    this.#on = on;
    setInterval(() => this.#watch(), 1000);
    setInterval(() => this.ping(), PING_MS);
    addEventListener("online", () => this.retry());
    addEventListener("pageshow", (event) => event.persisted && this.retry());
  }

  connect() {
    clearTimeout(this.#timer);
    const address = new URL("socket", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    address.search = "";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = (event) => this.#message(socket, event.data);
    socket.onclose = (event) => this.#closed(socket, event);
    this.#socket = socket;
    this.#heard = performance.now();
  }

  // Now, rather than when the pause is over.
  retry() {
    if (this.#socket === null) this.connect();
  }

  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  ping() {
    this.send({ type: "ping", at: performance.timeOrigin + performance.now() });
  }

  #opened(socket) {
    if (socket !== this.#socket) return;
    this.#on.open();
    this.ping();
  }

  #message(socket, data) {
    if (socket !== this.#socket) return;
    this.#heard = performance.now();
    this.#pause = FIRST_MS;
    if (typeof data === "string") {
      this.#on.text(JSON.parse(data));
      return;
    }
    const size = new DataView(data).getUint32(0);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, size)));
    this.#on.picture(header, new Blob([new Uint8Array(data, 4 + size)], { type: header.type }));
  }

  async #closed(socket, event) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    const pause = this.#pause * (0.5 + Math.random() / 2);
    this.#pause = Math.min(2 * this.#pause, MOST_MS);
    this.#timer = setTimeout(() => this.connect(), pause);
    this.#on.lost("the connection was closed", pause);
    const reason = await why(event);
    if (this.#socket?.readyState !== WebSocket.OPEN) this.#on.lost(reason, pause);
  }

  // A connection that is cut says nothing: no close comes.
  #watch() {
    const socket = this.#socket;
    if (socket === null || performance.now() - this.#heard < SILENT_MS) return;
    socket.close();
    this.#closed(socket, {});
  }
}

async function why(event) {
  if (event.code === FULL) return "as many pages as it serves are open already";
  try {
    const answer = await fetch("session", { cache: "no-store" });
    if (answer.status === 401) return "it was started again: open the address that weft view printed";
    if (!answer.ok && answer.status !== 503) return await answer.text();
    return "the connection was closed";
  } catch {
    return "it does not answer";
  }
}
