// Calls every host function once and reports what it said, line by line.
import {
  Layout, Level, Norm, PixelFormat, configGet, emit, fail, frameHeader, frameMediaType, framePayload, frameRead,
  frameSequence, frameSize, frameStream, frameTime, imageRead, imageSize, imageTensor, log, nn, stateDelete, stateGet,
  statePut,
} from "weft";

let report = "";

export function weft_handle(): i32 {
  report = "";
  if (configGet("panic")) throw new Error("it gave up");
  frame();
  if (!state()) return fail("no state");
  if (!picture()) return fail("no picture");
  if (!inference()) return fail("no inference");
  log(Level.Info, "all called");
  return emit("report", "text/plain", String.UTF8.encode(report)) ? 0 : 1;
}

function say(line: string): void {
  report += line + "\n";
}

function or(text: string | null): string {
  return text ? text : "none";
}

function frame(): void {
  const head = new ArrayBuffer(3);
  say(`size=${frameSize()}`);
  frameRead(head, 1);
  say(`head=${String.UTF8.decode(head)}`);
  say(`payload=${framePayload().byteLength}`);
  say(`stream=${frameStream()}`);
  say(`media=${frameMediaType()}`);
  say(`header=${or(frameHeader("colour"))}`);
  say(`long=${or(frameHeader("long")).length}`);
  say(`missing-header=${or(frameHeader("smell"))}`);
  say(`sequence=${frameSequence()}`);
  say(`time=${frameTime()}`);
  say(`config=${or(configGet("mode"))}`);
  say(`missing-config=${or(configGet("nothing"))}`);
}

function stored(key: string): string {
  const value = stateGet(key);
  return value ? String.UTF8.decode(value) : "none";
}

function state(): bool {
  const long = String.UTF8.encode("x".repeat(700)), big = new ArrayBuffer(5000);
  say(`state=${stored("kept")}`);
  if (!statePut("kept", String.UTF8.encode("abc")) || !statePut("long", long)) return false;
  say(`stored=${stored("kept")}`);
  say(`long-state=${stored("long").length}`);
  say(`deleted=${stateDelete("kept") ? 1 : 0},${stateDelete("long") ? 1 : 0}`);
  say(`again=${stateDelete("kept") ? 1 : 0}`);
  say(`large=${statePut("kept", big) ? 0 : 1}`);
  return true;
}

function picture(): bool {
  const size = imageSize();
  if (!size) return false;
  say(`picture=${size[0]}x${size[1]}`);
  const grey = new StaticArray<u8>(16);
  if (!imageRead(4, 4, PixelFormat.Gray8, grey)) return false;
  let sum: u32 = 0;
  for (let i = 0; i < 16; i++) sum += grey[i];
  say(`grey=${sum}`);
  const raw = new StaticArray<u8>(12), normal = new StaticArray<f32>(12);
  const half = new Norm([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]);
  if (!imageTensor<u8>(2, 2, Layout.NHWC, null, raw)) return false;
  if (!imageTensor<f32>(2, 2, Layout.NCHW, half, normal)) return false;
  say(`tensor=${raw[0]},${<i32>(normal[0] * 100)}`);
  return true;
}

function inference(): bool {
  const values: StaticArray<f32> = [1, 2, 3, 4], out = new StaticArray<f32>(8), few = new StaticArray<f32>(1);
  let graph = nn.Graph.loadByName("net");
  if (!graph) return false;
  let context = graph.context();
  if (!context || !context.setInput<f32>(0, [4], values) || !context.compute()) return false;
  say(`output=${context.getOutput<f32>(0, out)},${<i32>out[3]}`);
  if (!context.setInputByName<f32>("x", [4], values) || !context.compute()) return false;
  say(`named=${context.getOutputByName<f32>("y", out)},${<i32>out[2]}`);
  if (!context.computeSingle()) return false;
  say(`single=${context.getOutputSingle<f32>(0, out)},${<i32>out[1]}`);
  if (!context.finiSingle() || !context.compute()) return false;
  say(`small=${context.getOutput<f32>(0, few) == -1 ? 1 : 0}`);
  context.close();
  graph.unload();
  graph = nn.Graph.loadByNameWithConfig("whole", "{}");
  if (!graph) return false;
  context = graph.context();
  const whole = new StaticArray<i64>(2);
  if (!context || !context.setInput<i64>(0, [2], [5, -6]) || !context.compute()) return false;
  say(`whole=${context.getOutput<i64>(0, whole)},${whole[1]}`);
  const bytes = nn.Graph.load([String.UTF8.encode("no model")], nn.Encoding.ONNX, nn.Target.CPU);
  say(`bytes=${bytes ? 0 : 1}`);
  say(`unknown=${nn.Graph.loadByName("nothing") ? 0 : 1}`);
  return true;
}
