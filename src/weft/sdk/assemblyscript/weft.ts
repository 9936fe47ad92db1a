// Weft's host functions and wasi-nn for AssemblyScript.
//
// A function exports weft_handle, called once per frame, and may export weft_init, called once per instance. Both
// return 0 when all is well. AssemblyScript has no exceptions to catch: functions here return null or false on
// failure, and the host's log says why. `fail` logs a reason and returns 1.
//
//     import { emit } from "weft";
//
//     export function weft_handle(): i32 {
//       return emit("", "text/plain", String.UTF8.encode("hello")) ? 0 : 1;
//     }

export enum Level { Trace, Debug, Info, Warn, Error }

/** How imageRead writes pixels: three bytes, three bytes, one byte, or three f32 from 0 to 1. */
export enum PixelFormat { RGB8, BGR8, Gray8, RGB32F }

/** How the dimensions of a picture's tensor are ordered. */
export enum Layout { NHWC, NCHW }

/** What a picture's values are brought to: (rgb / 255 - mean) / std. */
export class Norm {
  constructor(public mean: StaticArray<f32>, public std: StaticArray<f32>) {}
}

/** The normalisation of models trained on ImageNet. */
export const IMAGENET = new Norm([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

// --- the current frame ---------------------------------------------------------------

/** Bytes of the payload. */
export function frameSize(): i32 {
  return raw.frame_size();
}

/** Copies the payload from an offset on; how many bytes of the buffer were filled, or -1. */
export function frameRead(buffer: ArrayBuffer, offset: i32 = 0): i32 {
  return max(raw.frame_read(changetype<usize>(buffer), buffer.byteLength, offset), -1);
}

/** The whole payload. */
export function framePayload(): ArrayBuffer {
  const buffer = new ArrayBuffer(frameSize());
  frameRead(buffer);
  return buffer;
}

/** The stream's name. */
export function frameStream(): string {
  return text((_name, _length, ptr, cap) => raw.frame_stream(ptr, cap), "") || "";
}

/** The payload's media type. */
export function frameMediaType(): string {
  return text((_name, _length, ptr, cap) => raw.frame_media_type(ptr, cap), "") || "";
}

/** A header's value, or null. */
export function frameHeader(name: string): string | null {
  return text((name, length, ptr, cap) => raw.frame_header(name, length, ptr, cap), name);
}

/** The frame's number at its source. */
export function frameSequence(): i64 {
  return raw.frame_sequence();
}

/** Nanoseconds since the epoch. */
export function frameTime(): i64 {
  return raw.frame_time();
}

// --- the current frame as a picture ---------------------------------------------------

/** Width and height, or null where the frame is no picture. */
export function imageSize(): StaticArray<u32> | null {
  const size = new StaticArray<u32>(2);
  return raw.image_size(changetype<usize>(size)) == 0 ? size : null;
}

/** The picture resized to width x height; out must have exactly the bytes the format needs. */
export function imageRead<T>(width: u32, height: u32, format: PixelFormat, out: StaticArray<T>): bool {
  return raw.image_read(width, height, format, changetype<usize>(out), byteLength(out)) == 0;
}

/** The picture as a model's input: width * height * 3 values of f32 (normalised) or u8 (0 to 255, without norm). */
export function imageTensor<T>(width: u32, height: u32, layout: Layout, norm: Norm | null, out: StaticArray<T>): bool {
  const mean = norm ? changetype<usize>(norm.mean) : 0, std = norm ? changetype<usize>(norm.std) : 0;
  return raw.image_tensor(width, height, layout, dtype<T>(), mean, std, changetype<usize>(out), byteLength(out)) == 0;
}

// --- what the function says -----------------------------------------------------------

/** Emits a frame; an empty stream is the function's default output. */
export function emit(stream: string, mediaType: string, payload: ArrayBuffer): bool {
  const s = String.UTF8.encode(stream), m = String.UTF8.encode(mediaType);
  return raw.emit(changetype<usize>(s), s.byteLength, changetype<usize>(m), m.byteLength,
    changetype<usize>(payload), payload.byteLength) == 0;
}

/** Emits a JSON text to the default output. */
export function emitJson(document: string): bool {
  return emit("", "application/json", String.UTF8.encode(document));
}

/** A value of the function's config, or null. */
export function configGet(key: string): string | null {
  return text((name, length, ptr, cap) => raw.config_get(name, length, ptr, cap), key);
}

/** A value of the function's state, or null. */
export function stateGet(key: string): ArrayBuffer | null {
  return bytes((name, length, ptr, cap) => raw.state_get(name, length, ptr, cap), key);
}

/** Writes a value of the function's state: kept when the frame succeeds, thrown away when it fails. */
export function statePut(key: string, value: ArrayBuffer): bool {
  const k = String.UTF8.encode(key);
  return raw.state_put(changetype<usize>(k), k.byteLength, changetype<usize>(value), value.byteLength) == 0;
}

/** Deletes a value of the function's state; false where it was not there. */
export function stateDelete(key: string): bool {
  const k = String.UTF8.encode(key);
  return raw.state_delete(changetype<usize>(k), k.byteLength) == 0;
}

/** A log line. */
export function log(level: Level, line: string): void {
  const data = String.UTF8.encode(line);
  raw.log(level, changetype<usize>(data), data.byteLength);
}

/** Logs a reason and returns 1: `return fail("no picture")` ends weft_handle. */
export function fail(reason: string): i32 {
  log(Level.Error, reason);
  return 1;
}

/** A text as a JSON string, with its quotes. */
export function quote(text: string): string {
  let out = '"';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code == 0x22 || code == 0x5c) out += "\\" + text.charAt(i);
    else if (code < 0x20) out += "\\u" + code.toString(16).padStart(4, "0");
    else out += text.charAt(i);
  }
  return out + '"';
}

/** What a failed assertion or a throw does: `weft build` wires it up. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const where = (file ? file : "") + ":" + line.toString() + ":" + column.toString();
  log(Level.Error, (message ? message : "aborted") + " at " + where);
  unreachable();
}

// --- wasi-nn --------------------------------------------------------------------------

export namespace nn {
  export enum Encoding { OpenVINO, ONNX, TensorFlow, PyTorch, TFLite, Autodetect }
  export enum Target { CPU, GPU, TPU, Auto }

  /** A model. */
  export class Graph {
    constructor(public handle: u32) {}

    /** A model that was granted under this name, or null. */
    static loadByName(name: string): Graph | null {
      const n = String.UTF8.encode(name);
      return graph(raw_nn.load_by_name(changetype<usize>(n), n.byteLength, changetype<usize>(out)));
    }

    /** As loadByName, with a JSON text; engine and device stay the operator's choice. */
    static loadByNameWithConfig(name: string, json: string): Graph | null {
      const n = String.UTF8.encode(name), j = String.UTF8.encode(json);
      return graph(raw_nn.load_by_name_with_config(changetype<usize>(n), n.byteLength,
        changetype<usize>(j), j.byteLength, changetype<usize>(out)));
    }

    /** A model from the function's own bytes; needs the grant nn.load. */
    static load(parts: ArrayBuffer[], encoding: Encoding, target: Target): Graph | null {
      const builders = new StaticArray<usize>(2 * parts.length);
      for (let i = 0; i < parts.length; i++) {
        builders[2 * i] = changetype<usize>(parts[i]);
        builders[2 * i + 1] = parts[i].byteLength;
      }
      return graph(raw_nn.load(changetype<usize>(builders), parts.length, encoding, target, changetype<usize>(out)));
    }

    /** A context to run the model in, or null. */
    context(): Context | null {
      const code = raw_nn.init_execution_context(this.handle, changetype<usize>(out));
      return code == 0 ? new Context(out[0]) : null;
    }

    /** Lets go of the model; its contexts live on. */
    unload(): void {
      raw_nn.unload(this.handle);
    }
  }

  /** A model ready to run. */
  export class Context {
    constructor(public handle: u32) {}

    setInput<T>(index: u32, dims: StaticArray<u32>, data: StaticArray<T>): bool {
      return raw_nn.set_input(this.handle, index, changetype<usize>(tensor<T>(dims, data))) == 0;
    }

    setInputByName<T>(name: string, dims: StaticArray<u32>, data: StaticArray<T>): bool {
      const n = String.UTF8.encode(name), t = tensor<T>(dims, data);
      return raw_nn.set_input_by_string(this.handle, changetype<usize>(n), n.byteLength, changetype<usize>(t)) == 0;
    }

    compute(): bool {
      return raw_nn.compute(this.handle) == 0;
    }

    /** Copies an output; how many elements of the buffer were filled, or -1. */
    getOutput<T>(index: u32, buffer: StaticArray<T>): i32 {
      return count<T>(raw_nn.get_output(this.handle, index, changetype<usize>(buffer), byteLength(buffer),
        changetype<usize>(out)));
    }

    getOutputByName<T>(name: string, buffer: StaticArray<T>): i32 {
      const n = String.UTF8.encode(name);
      return count<T>(raw_nn.get_output_by_string(this.handle, changetype<usize>(n), n.byteLength,
        changetype<usize>(buffer), byteLength(buffer), changetype<usize>(out)));
    }

    /** The single forms are for models that answer piece by piece; here one inference is one piece. */
    computeSingle(): bool {
      return raw_nn.compute_single(this.handle) == 0;
    }

    getOutputSingle<T>(index: u32, buffer: StaticArray<T>): i32 {
      return count<T>(raw_nn.get_output_single(this.handle, index, changetype<usize>(buffer), byteLength(buffer),
        changetype<usize>(out)));
    }

    finiSingle(): bool {
      return raw_nn.fini_single(this.handle) == 0;
    }

    close(): void {
      raw_nn.finalize_execution_context(this.handle);
    }
  }

  /** Where wasi-nn writes handles and sizes. */
  const out = new StaticArray<u32>(1);

  function graph(code: u32): Graph | null {
    return code == 0 ? new Graph(out[0]) : null;
  }

  function count<T>(code: u32): i32 {
    return code == 0 ? out[0] / sizeof<T>() : -1;
  }

  function tensor<T>(dims: StaticArray<u32>, data: StaticArray<T>): StaticArray<usize> {
    return [changetype<usize>(dims), dims.length, dtype<T>(), changetype<usize>(data), byteLength(data)];
  }
}

// --- the imports as they are ----------------------------------------------------------

export namespace raw {
  @external("weft", "frame_size") export declare function frame_size(): i32;
  @external("weft", "frame_read") export declare function frame_read(ptr: usize, cap: u32, offset: u32): i32;
  @external("weft", "frame_stream") export declare function frame_stream(ptr: usize, cap: u32): i32;
  @external("weft", "frame_media_type") export declare function frame_media_type(ptr: usize, cap: u32): i32;
  @external("weft", "frame_header")
  export declare function frame_header(name: usize, nameLen: u32, ptr: usize, cap: u32): i32;
  @external("weft", "frame_sequence") export declare function frame_sequence(): i64;
  @external("weft", "frame_time") export declare function frame_time(): i64;
  @external("weft", "image_size") export declare function image_size(out: usize): i32;
  @external("weft", "image_read")
  export declare function image_read(width: u32, height: u32, format: u32, ptr: usize, len: u32): i32;
  @external("weft", "image_tensor")
  export declare function image_tensor(
    width: u32, height: u32, layout: u32, dtype: u32, mean: usize, std: usize, ptr: usize, len: u32,
  ): i32;
  @external("weft", "emit")
  export declare function emit(
    stream: usize, streamLen: u32, mediaType: usize, mediaLen: u32, payload: usize, len: u32,
  ): i32;
  @external("weft", "config_get")
  export declare function config_get(key: usize, keyLen: u32, ptr: usize, cap: u32): i32;
  @external("weft", "log") export declare function log(level: u32, line: usize, len: u32): void;
  @external("weft", "state_get")
  export declare function state_get(key: usize, keyLen: u32, ptr: usize, cap: u32): i32;
  @external("weft", "state_put")
  export declare function state_put(key: usize, keyLen: u32, value: usize, len: u32): i32;
  @external("weft", "state_delete") export declare function state_delete(key: usize, keyLen: u32): i32;
}

export namespace raw_nn {
  @external("wasi_ephemeral_nn", "load")
  export declare function load(parts: usize, count: u32, encoding: u32, target: u32, graph: usize): u32;
  @external("wasi_ephemeral_nn", "load_by_name")
  export declare function load_by_name(name: usize, len: u32, graph: usize): u32;
  @external("wasi_ephemeral_nn", "load_by_name_with_config")
  export declare function load_by_name_with_config(
    name: usize, len: u32, json: usize, jsonLen: u32, graph: usize,
  ): u32;
  @external("wasi_ephemeral_nn", "init_execution_context")
  export declare function init_execution_context(graph: u32, context: usize): u32;
  @external("wasi_ephemeral_nn", "set_input")
  export declare function set_input(context: u32, index: u32, tensor: usize): u32;
  @external("wasi_ephemeral_nn", "set_input_by_string")
  export declare function set_input_by_string(context: u32, name: usize, len: u32, tensor: usize): u32;
  @external("wasi_ephemeral_nn", "compute") export declare function compute(context: u32): u32;
  @external("wasi_ephemeral_nn", "get_output")
  export declare function get_output(context: u32, index: u32, ptr: usize, max: u32, written: usize): u32;
  @external("wasi_ephemeral_nn", "get_output_by_string")
  export declare function get_output_by_string(
    context: u32, name: usize, len: u32, ptr: usize, max: u32, written: usize,
  ): u32;
  @external("wasi_ephemeral_nn", "compute_single") export declare function compute_single(context: u32): u32;
  @external("wasi_ephemeral_nn", "get_output_single")
  export declare function get_output_single(context: u32, index: u32, ptr: usize, max: u32, written: usize): u32;
  @external("wasi_ephemeral_nn", "fini_single") export declare function fini_single(context: u32): u32;
  @external("wasi_ephemeral_nn", "finalize_execution_context")
  export declare function finalize_execution_context(context: u32): u32;
  @external("wasi_ephemeral_nn", "unload") export declare function unload(graph: u32): u32;
}

// --- helpers --------------------------------------------------------------------------

/** wasi-nn's number of a type. */
function dtype<T>(): u32 {
  if (isFloat<T>()) return sizeof<T>() == 4 ? 1 : 2;
  if (sizeof<T>() == 1) return 3;
  return sizeof<T>() == 4 ? 4 : 5;
}

function byteLength<T>(values: StaticArray<T>): u32 {
  return <u32>values.length * <u32>sizeof<T>();
}

/** A text of unknown length. */
function text(read: (name: usize, length: u32, ptr: usize, cap: u32) => i32, name: string): string | null {
  const data = bytes(read, name);
  return data ? String.UTF8.decode(data) : null;
}

/** Bytes of unknown length: asked for with some room, then with the room they need. */
function bytes(read: (name: usize, length: u32, ptr: usize, cap: u32) => i32, name: string): ArrayBuffer | null {
  const key = String.UTF8.encode(name);
  let buffer = new ArrayBuffer(256);
  let length = read(changetype<usize>(key), key.byteLength, changetype<usize>(buffer), buffer.byteLength);
  if (length > buffer.byteLength) {
    buffer = new ArrayBuffer(length);
    length = read(changetype<usize>(key), key.byteLength, changetype<usize>(buffer), buffer.byteLength);
  }
  return length < 0 ? null : buffer.slice(0, length);
}
