// How a stream is, in words: the first reason that keeps pictures from coming.

import { seconds } from "./format.js";

export const SILENT_MS = 3000;

// told: what the server said of the stream, or undefined; age: milliseconds since it said so; page: how the page is;
// tile: whether it is paused, and could not decode its last picture.
export function stateOf(told, age, page, { paused = false, broken = false }) {
  if (!page.connected) return ["lost", "not connected to the server"];
  if (paused) return ["paused", "paused"];
  const silent = told?.silent_s === undefined ? null : told.silent_s * 1000 + age;
  const since = silent === null ? "" : `, no frames for ${seconds(silent)}`;
  if (page.noLink) return ["cut", `the server has no link to the site: ${page.noLink}${since}`];
  if (silent !== null && silent < SILENT_MS) {
    if (broken) return ["damaged", "this picture cannot be decoded"];
    return told.bad ? ["damaged", `this picture cannot be shown: ${told.reason}`] : ["live", ""];
  }
  if (told === undefined) return ["waiting", "no frame yet"];
  if (!told.publishers) return ["absent", `nobody publishes it now${since}`];
  return silent === null ? ["waiting", "no frame yet"] : ["silent", since.slice(2)];
}
