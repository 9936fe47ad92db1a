// Says whether a picture is bright or dark. Config: threshold, 0 to 1 (0.5).
import { PixelFormat, configGet, emitJson, fail, imageRead } from "weft";

const SIDE = 32;
const grey = new StaticArray<u8>(SIDE * SIDE);
let threshold = 0.5;

/** Called once, before the first frame. */
export function weft_init(): i32 {
  const text = configGet("threshold");
  if (text) threshold = parseFloat(text);
  return threshold > 0 && threshold < 1 ? 0 : fail("config threshold must be between 0 and 1");
}

/** Called for every frame. 0 is done, anything else fails the frame. */
export function weft_handle(): i32 {
  if (!imageRead(SIDE, SIDE, PixelFormat.Gray8, grey)) return fail("the frame is no picture");
  let sum = 0;
  for (let i = 0; i < grey.length; i++) sum += grey[i];
  const brightness = <f64>sum / (255 * grey.length);
  const bright = brightness >= threshold;
  const label = bright ? "bright" : "dark", score = bright ? brightness : 1 - brightness;
  return emitJson(`{"labels":[{"label":"${label}","score":${score}}]}`) ? 0 : 1;
}
