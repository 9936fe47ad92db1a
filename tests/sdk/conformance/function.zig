//! Calls every host function once and reports what it said, line by line.

const std = @import("std");
const weft = @import("weft");

pub const panic = weft.panic;

const allocator = std.heap.wasm_allocator;

var report: [4096]u8 = undefined;
var used: usize = 0;

export fn weft_handle() i32 {
    return weft.status(handle());
}

fn handle() !void {
    used = 0;
    if (try weft.configGet(allocator, "panic") != null) @panic("it gave up");
    try frame();
    try state();
    try picture();
    try inference();
    weft.log(.info, "all called, {d} bytes", .{used});
    try weft.emit("report", "text/plain", report[0..used]);
}

fn say(comptime format: []const u8, args: anytype) !void {
    used += (try std.fmt.bufPrint(report[used..], format ++ "\n", args)).len;
}

fn frame() !void {
    var head: [3]u8 = undefined;
    try say("size={d}", .{weft.frameSize()});
    try say("head={s}", .{try weft.frameRead(&head, 1)});
    try say("payload={d}", .{(try weft.framePayload(allocator)).len});
    try say("stream={s}", .{try weft.frameStream(allocator)});
    try say("media={s}", .{try weft.frameMediaType(allocator)});
    try say("header={s}", .{try weft.frameHeader(allocator, "colour") orelse "none"});
    const long: []const u8 = try weft.frameHeader(allocator, "long") orelse "none";
    try say("long={d}", .{long.len});
    try say("missing-header={s}", .{try weft.frameHeader(allocator, "smell") orelse "none"});
    try say("sequence={d}", .{weft.frameSequence()});
    try say("time={d}", .{weft.frameTime()});
    try say("config={s}", .{try weft.configGet(allocator, "mode") orelse "none"});
    try say("missing-config={s}", .{try weft.configGet(allocator, "nothing") orelse "none"});
}

fn state() !void {
    const big: [5000]u8 = @splat('x');
    try say("state={s}", .{try weft.stateGet(allocator, "kept") orelse "none"});
    try weft.statePut("kept", "abc");
    try weft.statePut("long", big[0..700]);
    try say("stored={s}", .{try weft.stateGet(allocator, "kept") orelse "none"});
    const long: []const u8 = try weft.stateGet(allocator, "long") orelse "none";
    try say("long-state={d}", .{long.len});
    const kept = try weft.stateDelete("kept");
    try say("deleted={d},{d}", .{ @intFromBool(kept), @intFromBool(try weft.stateDelete("long")) });
    try say("again={d}", .{@intFromBool(try weft.stateDelete("kept"))});
    try say("large={d}", .{@intFromBool(weft.statePut("kept", &big) == error.TooLarge)});
}

fn picture() !void {
    const size = try weft.imageSize();
    try say("picture={d}x{d}", .{ size.width, size.height });
    var grey: [16]u8 = undefined;
    try weft.imageRead(4, 4, .gray8, &grey);
    var sum: u32 = 0;
    for (grey) |value| sum += value;
    try say("grey={d}", .{sum});
    var raw: [12]u8 = undefined;
    var normal: [12]f32 = undefined;
    try weft.imageTensor(u8, 2, 2, .nhwc, null, &raw);
    try weft.imageTensor(f32, 2, 2, .nchw, .{ .mean = @splat(0.5), .std = @splat(0.5) }, &normal);
    try say("tensor={d},{d}", .{ raw[0], @as(i32, @trunc(normal[0] * 100)) });
}

fn inference() !void {
    const Graph = weft.nn.Graph;
    const values = [_]f32{ 1, 2, 3, 4 };
    var out: [8]f32 = undefined;
    var graph = try Graph.loadByName("net");
    var context = try graph.context();
    try context.setInput(f32, 0, &.{4}, &values);
    try context.compute();
    try tell("output", try context.getOutput(f32, 0, &out), 3);
    try context.setInputByName(f32, "x", &.{4}, &values);
    try context.compute();
    try tell("named", try context.getOutputByName(f32, "y", &out), 2);
    try context.computeSingle();
    try tell("single", try context.getOutputSingle(f32, 0, &out), 1);
    try context.finiSingle();
    try context.compute();
    try say("small={d}", .{@intFromBool(context.getOutput(f32, 0, out[0..1]) == error.TooLarge)});
    context.close();
    graph.unload();
    graph = try Graph.loadByNameWithConfig("whole", "{}");
    context = try graph.context();
    try context.setInput(i64, 0, &.{2}, &.{ 5, -6 });
    try context.compute();
    var whole: [2]i64 = undefined;
    try say("whole={d},{d}", .{ (try context.getOutput(i64, 0, &whole)).len, whole[1] });
    try say("bytes={d}", .{@intFromBool(Graph.load(&.{"no model"}, .onnx, .cpu) == error.InvalidEncoding)});
    try say("unknown={d}", .{@intFromBool(Graph.loadByName("nothing") == error.NotFound)});
}

fn tell(key: []const u8, output: []const f32, index: usize) !void {
    try say("{s}={d},{d}", .{ key, output.len, @as(i32, @trunc(output[index])) });
}
