// Names what is in a picture, with the model "net". Config: labels, one per line; top, how many to name (5).
import { IMAGENET, Layout, configGet, emitJson, fail, imageTensor, nn, quote } from "weft";

const SIDE = 224;
const DIMS: StaticArray<u32> = [1, 3, SIDE, SIDE];
const input = new StaticArray<f32>(3 * SIDE * SIDE);
const scores = new StaticArray<f32>(4096);

let labels: string[] = [];
let top = 5;
let model: nn.Context | null = null;

export function weft_init(): i32 {
  const names = configGet("labels"), number = configGet("top");
  if (names) labels = names.split("\n");
  if (number) top = <i32>parseInt(number);
  if (top < 1) return fail("config top must be 1 or more");
  const graph = nn.Graph.loadByName("net");
  if (!graph) return fail("the model 'net' is missing");
  model = graph.context();
  return model ? 0 : fail("no execution context");
}

export function weft_handle(): i32 {
  if (!imageTensor<f32>(SIDE, SIDE, Layout.NCHW, IMAGENET, input)) return fail("the frame is no picture");
  if (!model!.setInput<f32>(0, DIMS, input) || !model!.compute()) return fail("the inference failed");
  const count = model!.getOutput<f32>(0, scores);
  if (count < 0) return fail("over 4096 classes");
  softmax(count);
  const found: string[] = [];
  for (let rank = 0; rank < min(top, count); rank++) found.push(takeBest(count));
  return emitJson(`{"labels":[${found.join(",")}]}`) ? 0 : 1;
}

function softmax(count: i32): void {
  let largest = scores[0], sum: f32 = 0;
  for (let i = 1; i < count; i++) largest = max(largest, scores[i]);
  for (let i = 0; i < count; i++) sum += scores[i] = Mathf.exp(scores[i] - largest);
  for (let i = 0; i < count; i++) scores[i] /= sum;
}

function takeBest(count: i32): string {
  let best = 0;
  for (let i = 1; i < count; i++) if (scores[i] > scores[best]) best = i;
  const name = best < labels.length ? labels[best].trim() : "unnamed", score = scores[best];
  scores[best] = -1;
  return `{"label":${quote(name)},"score":${score},"index":${best}}`;
}
