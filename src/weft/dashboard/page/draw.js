// Boxes on the overlay, which has the screen's own pixels: thin lines and sharp words whatever the picture's size.

const PADDING = 4;
const FONT = 13;
const DARK = "#121212";
const LIGHT = "#fafafa";
const SHADE = "#12121299";

// Where a picture of this size stands in the overlay: as large as fits, in the middle.
export function fit(canvas, width, height) {
  const scale = Math.min(canvas.width / width, canvas.height / height);
  const [w, h] = [width * scale, height * scale];
  return { x: (canvas.width - w) / 2, y: (canvas.height - h) / 2, w, h };
}

export function clear(canvas) {
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}

// found: as Results.of gives; area: as fit gives; ratio: device pixels per CSS pixel.
export function boxes(canvas, found, area, ratio) {
  const pen = canvas.getContext("2d");
  clear(canvas);
  pen.font = `600 ${FONT * ratio}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  for (const { note, late } of found) {
    const all = [...(note?.boxes ?? [])].sort((one, other) => (one.score ?? 0) - (other.score ?? 0));
    for (const box of all) outline(pen, box, area, ratio, late > 0);
    for (const box of all) tag(pen, box, area, ratio);
  }
}

export function words({ label, score }) {
  return score === null ? label : `${label} ${score.toFixed(2)}`.trim();
}

// In whole pixels: lines between them would be blurred.
function place({ box: [x1, y1, x2, y2] }, area) {
  const [left, right] = [x1, x2].map((x) => Math.round(area.x + x * area.w));
  const [top, bottom] = [y1, y2].map((y) => Math.round(area.y + y * area.h));
  return [left, top, right - left, bottom - top];
}

function outline(pen, box, area, ratio, late) {
  const width = Math.max(2, Math.round(2 * ratio));
  pen.setLineDash([]);
  pen.strokeStyle = SHADE; // seen on any picture, whatever the colour
  pen.lineWidth = 2 * width;
  pen.strokeRect(...place(box, area));
  pen.strokeStyle = box.colour;
  pen.lineWidth = width;
  pen.setLineDash(late ? [6 * ratio, 4 * ratio] : []);
  pen.strokeRect(...place(box, area));
}

function tag(pen, box, area, ratio) {
  const text = words(box);
  if (!text) return;
  const [x, y] = place(box, area);
  const width = Math.min(pen.measureText(text).width + 2 * PADDING * ratio, area.w);
  const height = (FONT + PADDING) * ratio;
  const left = Math.max(area.x, Math.min(x, area.x + area.w - width));
  const top = y - height >= area.y ? y - height : y;
  pen.fillStyle = box.colour;
  pen.fillRect(left, top, width, height);
  pen.fillStyle = ink(box.colour);
  pen.fillText(text, left + PADDING * ratio, top + height / 2, width - 2 * PADDING * ratio);
}

function ink(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return 299 * red + 587 * green + 114 * blue > 128000 ? DARK : LIGHT;
}
