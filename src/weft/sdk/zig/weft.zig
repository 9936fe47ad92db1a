//! Weft's host functions and wasi-nn for Zig.
//!
//! A function exports `weft_handle`, called once per frame, and may export `weft_init`, called once per instance.
//! Both return 0 when all is well; `status` makes that number of a Zig error and logs it.
//!
//!     const weft = @import("weft");
//!     pub const panic = weft.panic;
//!
//!     export fn weft_handle() i32 {
//!         return weft.status(weft.emit("", "text/plain", "hello"));
//!     }

const std = @import("std");
const Allocator = std.mem.Allocator;

/// What host functions of `weft` say when they fail.
pub const Error = error{ InvalidArgument, NotFound, TooSmall, TooLarge, Denied, Unsupported, Failed };

pub const Level = enum(u32) { trace, debug, info, warn, err };
pub const PixelFormat = enum(u32) { rgb8, bgr8, gray8, rgb32f };
pub const Layout = enum(u32) { nhwc, nchw };
pub const DType = enum(u32) {
    f16,
    f32,
    f64,
    u8,
    i32,
    i64,

    /// The dtype of a Zig type.
    pub fn of(comptime T: type) DType {
        return switch (T) {
            f16 => .f16,
            f32 => .f32,
            f64 => .f64,
            u8 => .u8,
            i32 => .i32,
            i64 => .i64,
            else => @compileError("no dtype for " ++ @typeName(T)),
        };
    }
};

/// What a picture's values are brought to: `(rgb / 255 - mean) / std`.
pub const Norm = struct { mean: [3]f32, std: [3]f32 };

/// The normalisation of models trained on ImageNet.
pub const imagenet: Norm = .{ .mean = .{ 0.485, 0.456, 0.406 }, .std = .{ 0.229, 0.224, 0.225 } };

pub const Size = extern struct { width: u32, height: u32 };

// --- the current frame ---------------------------------------------------------------

/// Bytes of the payload.
pub fn frameSize() usize {
    return @intCast(raw.frame_size());
}

/// Copies the payload from `offset` on; the part of `buffer` that was filled.
pub fn frameRead(buffer: []u8, offset: usize) Error![]u8 {
    return buffer[0..try count(raw.frame_read(buffer.ptr, @intCast(buffer.len), @intCast(offset)))];
}

/// The whole payload. The caller frees it.
pub fn framePayload(allocator: Allocator) (Error || Allocator.Error)![]u8 {
    const buffer = try allocator.alloc(u8, frameSize());
    errdefer allocator.free(buffer);
    return frameRead(buffer, 0);
}

/// The stream's name. The caller frees it.
pub fn frameStream(allocator: Allocator) (Error || Allocator.Error)![]u8 {
    return text(allocator, raw.frame_stream, .{});
}

/// The payload's media type. The caller frees it.
pub fn frameMediaType(allocator: Allocator) (Error || Allocator.Error)![]u8 {
    return text(allocator, raw.frame_media_type, .{});
}

/// A header's value, or null. The caller frees it.
pub fn frameHeader(allocator: Allocator, name: []const u8) (Error || Allocator.Error)!?[]u8 {
    return optional(text(allocator, raw.frame_header, .{ name.ptr, length(name) }));
}

/// The frame's number at its source.
pub fn frameSequence() i64 {
    return raw.frame_sequence();
}

/// Nanoseconds since the epoch.
pub fn frameTime() i64 {
    return raw.frame_time();
}

// --- the current frame as a picture ---------------------------------------------------

pub fn imageSize() Error!Size {
    var size: Size = undefined;
    try check(raw.image_size(&size));
    return size;
}

/// The picture resized to `width` x `height`; `out` must have exactly the bytes the format needs.
pub fn imageRead(width: u32, height: u32, format: PixelFormat, out: []u8) Error!void {
    try check(raw.image_read(width, height, @intFromEnum(format), out.ptr, length(out)));
}

/// The picture as a model's input: `width * height * 3` values of f32 or f16 (normalised) or u8 (0 to 255, no `norm`).
pub fn imageTensor(comptime T: type, width: u32, height: u32, layout: Layout, norm: ?Norm, out: []T) Error!void {
    const mean: ?*const [3]f32 = if (norm) |*n| &n.mean else null;
    const deviation: ?*const [3]f32 = if (norm) |*n| &n.std else null;
    const bytes = std.mem.sliceAsBytes(out);
    const dtype = @intFromEnum(DType.of(T));
    try check(raw.image_tensor(width, height, @intFromEnum(layout), dtype, mean, deviation, bytes.ptr, length(bytes)));
}

// --- what the function says -----------------------------------------------------------

/// Emits a frame; an empty stream is the function's default output.
pub fn emit(stream: []const u8, media_type: []const u8, payload: []const u8) Error!void {
    try check(raw.emit(
        stream.ptr,
        length(stream),
        media_type.ptr,
        length(media_type),
        payload.ptr,
        length(payload),
    ));
}

/// Emits a value as JSON to the default output.
pub fn emitJson(allocator: Allocator, value: anytype) (Error || Allocator.Error)!void {
    const document = try std.json.Stringify.valueAlloc(allocator, value, .{});
    defer allocator.free(document);
    try emit("", "application/json", document);
}

/// A value of the function's config, or null. The caller frees it.
pub fn configGet(allocator: Allocator, key: []const u8) (Error || Allocator.Error)!?[]u8 {
    return optional(text(allocator, raw.config_get, .{ key.ptr, length(key) }));
}

/// A value of the function's state, or null. The caller frees it.
pub fn stateGet(allocator: Allocator, key: []const u8) (Error || Allocator.Error)!?[]u8 {
    return optional(text(allocator, raw.state_get, .{ key.ptr, length(key) }));
}

/// Writes a value of the function's state: kept when the frame succeeds, thrown away when it fails.
pub fn statePut(key: []const u8, value: []const u8) Error!void {
    try withinLimits(raw.state_put(key.ptr, length(key), value.ptr, length(value)));
}

/// Deletes a value of the function's state; false where it was not there.
pub fn stateDelete(key: []const u8) Error!bool {
    withinLimits(raw.state_delete(key.ptr, length(key))) catch |failure| {
        return if (failure == error.NotFound) false else failure;
    };
    return true;
}

/// A log line, at most 1 KiB of it.
pub fn log(level: Level, comptime format: []const u8, args: anytype) void {
    var buffer: [1024]u8 = undefined;
    const line = std.fmt.bufPrint(&buffer, format, args) catch &buffer;
    raw.log(@intFromEnum(level), line.ptr, length(line));
}

/// 0, or 1 with the error in the log: what `weft_handle` and `weft_init` return.
pub fn status(result: anyerror!void) i32 {
    result catch |failure| {
        log(.err, "{s}", .{@errorName(failure)});
        return 1;
    };
    return 0;
}

/// `pub const panic = weft.panic;` in the root file puts a panic's message into the log.
pub const panic = std.debug.FullPanic(struct {
    fn panic(message: []const u8, _: ?usize) noreturn {
        raw.log(@intFromEnum(Level.err), message.ptr, length(message));
        @trap();
    }
}.panic);

// --- wasi-nn --------------------------------------------------------------------------

pub const nn = struct {
    pub const Error = error{
        InvalidArgument,
        InvalidEncoding,
        MissingMemory,
        Busy,
        RuntimeError,
        Unsupported,
        TooLarge,
        NotFound,
    };
    pub const Encoding = enum(u32) { openvino, onnx, tensorflow, pytorch, tflite, autodetect };
    pub const Target = enum(u32) { cpu, gpu, tpu, auto };

    /// A model.
    pub const Graph = struct {
        handle: u32,

        /// A model that was granted under this name.
        pub fn loadByName(name: []const u8) nn.Error!Graph {
            var graph: Graph = undefined;
            try ok(raw_nn.load_by_name(name.ptr, length(name), &graph.handle));
            return graph;
        }

        /// As `loadByName`, with a JSON text; engine and device stay the operator's choice.
        pub fn loadByNameWithConfig(name: []const u8, json: []const u8) nn.Error!Graph {
            var graph: Graph = undefined;
            try ok(raw_nn.load_by_name_with_config(name.ptr, length(name), json.ptr, length(json), &graph.handle));
            return graph;
        }

        /// A model from the function's own bytes, at most 8 parts; needs the grant `nn.load`.
        pub fn load(parts: []const []const u8, encoding: Encoding, target: Target) nn.Error!Graph {
            var builders: [8]Builder = undefined;
            if (parts.len > builders.len) return error.InvalidArgument;
            for (parts, builders[0..parts.len]) |part, *builder| builder.* = .{ .ptr = part.ptr, .len = length(part) };
            var graph: Graph = undefined;
            const count_: u32 = @intCast(parts.len);
            try ok(raw_nn.load(&builders, count_, @intFromEnum(encoding), @intFromEnum(target), &graph.handle));
            return graph;
        }

        pub fn context(self: Graph) nn.Error!Context {
            var made: Context = undefined;
            try ok(raw_nn.init_execution_context(self.handle, &made.handle));
            return made;
        }

        /// Lets go of the model; its contexts live on.
        pub fn unload(self: Graph) void {
            _ = raw_nn.unload(self.handle);
        }
    };

    /// A model ready to run.
    pub const Context = struct {
        handle: u32,

        pub fn setInput(self: Context, comptime T: type, index: u32, dims: []const u32, data: []const T) nn.Error!void {
            try ok(raw_nn.set_input(self.handle, index, &Tensor.of(T, dims, data)));
        }

        pub fn setInputByName(
            self: Context,
            comptime T: type,
            name: []const u8,
            dims: []const u32,
            data: []const T,
        ) nn.Error!void {
            try ok(raw_nn.set_input_by_string(self.handle, name.ptr, length(name), &Tensor.of(T, dims, data)));
        }

        pub fn compute(self: Context) nn.Error!void {
            try ok(raw_nn.compute(self.handle));
        }

        /// Copies an output into `buffer`; the part that was filled.
        pub fn getOutput(self: Context, comptime T: type, index: u32, buffer: []T) nn.Error![]T {
            const bytes = std.mem.sliceAsBytes(buffer);
            var written: u32 = 0;
            try ok(raw_nn.get_output(self.handle, index, bytes.ptr, length(bytes), &written));
            return buffer[0 .. written / @sizeOf(T)];
        }

        pub fn getOutputByName(self: Context, comptime T: type, name: []const u8, buffer: []T) nn.Error![]T {
            const bytes = std.mem.sliceAsBytes(buffer);
            var written: u32 = 0;
            try ok(raw_nn.get_output_by_string(
                self.handle,
                name.ptr,
                length(name),
                bytes.ptr,
                length(bytes),
                &written,
            ));
            return buffer[0 .. written / @sizeOf(T)];
        }

        /// The single forms are for models that answer piece by piece; here one inference is one piece.
        pub fn computeSingle(self: Context) nn.Error!void {
            try ok(raw_nn.compute_single(self.handle));
        }

        pub fn getOutputSingle(self: Context, comptime T: type, index: u32, buffer: []T) nn.Error![]T {
            const bytes = std.mem.sliceAsBytes(buffer);
            var written: u32 = 0;
            try ok(raw_nn.get_output_single(self.handle, index, bytes.ptr, length(bytes), &written));
            return buffer[0 .. written / @sizeOf(T)];
        }

        pub fn finiSingle(self: Context) nn.Error!void {
            try ok(raw_nn.fini_single(self.handle));
        }

        pub fn close(self: Context) void {
            _ = raw_nn.finalize_execution_context(self.handle);
        }
    };

    pub const Builder = extern struct { ptr: [*]const u8, len: u32 };

    pub const Tensor = extern struct {
        dims: [*]const u32,
        dims_len: u32,
        dtype: u32,
        data: [*]const u8,
        data_len: u32,

        fn of(comptime T: type, dims: []const u32, data: []const T) Tensor {
            const bytes = std.mem.sliceAsBytes(data);
            return .{
                .dims = dims.ptr,
                .dims_len = @intCast(dims.len),
                .dtype = @intFromEnum(DType.of(T)),
                .data = bytes.ptr,
                .data_len = length(bytes),
            };
        }
    };

    fn ok(code: u32) nn.Error!void {
        return switch (code) {
            0 => {},
            1 => error.InvalidArgument,
            2 => error.InvalidEncoding,
            3 => error.MissingMemory,
            4 => error.Busy,
            6 => error.Unsupported,
            7 => error.TooLarge,
            8 => error.NotFound,
            else => error.RuntimeError,
        };
    }
};

// --- the imports as they are ----------------------------------------------------------

pub const raw = struct {
    pub extern "weft" fn frame_size() i32;
    pub extern "weft" fn frame_read(ptr: [*]u8, cap: u32, offset: u32) i32;
    pub extern "weft" fn frame_stream(ptr: [*]u8, cap: u32) i32;
    pub extern "weft" fn frame_media_type(ptr: [*]u8, cap: u32) i32;
    pub extern "weft" fn frame_header(name: [*]const u8, name_len: u32, ptr: [*]u8, cap: u32) i32;
    pub extern "weft" fn frame_sequence() i64;
    pub extern "weft" fn frame_time() i64;
    pub extern "weft" fn image_size(out: *Size) i32;
    pub extern "weft" fn image_read(width: u32, height: u32, format: u32, ptr: [*]u8, len: u32) i32;
    pub extern "weft" fn image_tensor(
        width: u32,
        height: u32,
        layout: u32,
        dtype: u32,
        mean: ?*const [3]f32,
        deviation: ?*const [3]f32,
        ptr: [*]u8,
        len: u32,
    ) i32;
    pub extern "weft" fn emit(
        stream: [*]const u8,
        stream_len: u32,
        media_type: [*]const u8,
        media_len: u32,
        payload: [*]const u8,
        len: u32,
    ) i32;
    pub extern "weft" fn config_get(key: [*]const u8, key_len: u32, ptr: [*]u8, cap: u32) i32;
    pub extern "weft" fn log(level: u32, line: [*]const u8, len: u32) void;
    pub extern "weft" fn state_get(key: [*]const u8, key_len: u32, ptr: [*]u8, cap: u32) i32;
    pub extern "weft" fn state_put(key: [*]const u8, key_len: u32, value: [*]const u8, len: u32) i32;
    pub extern "weft" fn state_delete(key: [*]const u8, key_len: u32) i32;
};

pub const raw_nn = struct {
    pub extern "wasi_ephemeral_nn" fn load(parts: [*]const nn.Builder, count: u32, encoding: u32, target: u32, graph: *u32) u32;
    pub extern "wasi_ephemeral_nn" fn load_by_name(name: [*]const u8, len: u32, graph: *u32) u32;
    pub extern "wasi_ephemeral_nn" fn load_by_name_with_config(
        name: [*]const u8,
        len: u32,
        json: [*]const u8,
        json_len: u32,
        graph: *u32,
    ) u32;
    pub extern "wasi_ephemeral_nn" fn init_execution_context(graph: u32, context: *u32) u32;
    pub extern "wasi_ephemeral_nn" fn set_input(context: u32, index: u32, tensor: *const nn.Tensor) u32;
    pub extern "wasi_ephemeral_nn" fn set_input_by_string(context: u32, name: [*]const u8, len: u32, tensor: *const nn.Tensor) u32;
    pub extern "wasi_ephemeral_nn" fn compute(context: u32) u32;
    pub extern "wasi_ephemeral_nn" fn get_output(context: u32, index: u32, ptr: [*]u8, max: u32, written: *u32) u32;
    pub extern "wasi_ephemeral_nn" fn get_output_by_string(
        context: u32,
        name: [*]const u8,
        len: u32,
        ptr: [*]u8,
        max: u32,
        written: *u32,
    ) u32;
    pub extern "wasi_ephemeral_nn" fn compute_single(context: u32) u32;
    pub extern "wasi_ephemeral_nn" fn get_output_single(context: u32, index: u32, ptr: [*]u8, max: u32, written: *u32) u32;
    pub extern "wasi_ephemeral_nn" fn fini_single(context: u32) u32;
    pub extern "wasi_ephemeral_nn" fn finalize_execution_context(context: u32) u32;
    pub extern "wasi_ephemeral_nn" fn unload(graph: u32) u32;
};

// --- helpers --------------------------------------------------------------------------

fn length(bytes: []const u8) u32 {
    return @intCast(bytes.len);
}

fn check(code: i32) Error!void {
    _ = try count(code);
}

fn count(code: i32) Error!usize {
    if (code >= 0) return @intCast(code);
    return switch (code) {
        -1 => error.InvalidArgument,
        -2 => error.NotFound,
        -3 => error.TooSmall,
        -4 => error.Denied,
        -5 => error.Unsupported,
        else => error.Failed,
    };
}

/// As `check`, for calls that have no buffer to be too small.
fn withinLimits(code: i32) Error!void {
    check(code) catch |failure| return if (failure == error.TooSmall) error.TooLarge else failure;
}

/// Bytes of unknown length: asked for with the room at hand, then with the room they need.
fn text(allocator: Allocator, function: anytype, head: anytype) (Error || Allocator.Error)![]u8 {
    var small: [256]u8 = undefined;
    const size = try count(@call(.auto, function, head ++ .{ @as([*]u8, &small), @as(u32, small.len) }));
    const buffer = try allocator.alloc(u8, size);
    errdefer allocator.free(buffer);
    if (size <= small.len) {
        @memcpy(buffer, small[0..size]);
    } else {
        try check(@call(.auto, function, head ++ .{ buffer.ptr, length(buffer) }));
    }
    return buffer;
}

fn optional(result: (Error || Allocator.Error)![]u8) (Error || Allocator.Error)!?[]u8 {
    return result catch |failure| if (failure == error.NotFound) null else failure;
}
