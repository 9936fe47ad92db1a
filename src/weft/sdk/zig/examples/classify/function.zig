//! Names what is in a picture, with the model "net". Config: labels, one per line; top, how many to name (5).

const std = @import("std");
const weft = @import("weft");

pub const panic = weft.panic;

const allocator = std.heap.wasm_allocator;
const side = 224;

const Label = struct { label: []const u8, score: f32, index: usize };

var context: weft.nn.Context = undefined;
var labels: []const u8 = "";
var best: []Label = &.{};
var input: [3 * side * side]f32 = undefined;
var output: [4096]f32 = undefined;

export fn weft_init() i32 {
    return weft.status(init());
}

export fn weft_handle() i32 {
    return weft.status(handle());
}

fn init() !void {
    const top = if (try weft.configGet(allocator, "top")) |text| try std.fmt.parseInt(u8, text, 10) else 5;
    if (top == 0) return error.TopMustBe1OrMore;
    best = try allocator.alloc(Label, top);
    labels = try weft.configGet(allocator, "labels") orelse "";
    const graph = try weft.nn.Graph.loadByName("net");
    context = try graph.context();
}

fn handle() !void {
    try weft.imageTensor(f32, side, side, .nchw, weft.imagenet, &input);
    try context.setInput(f32, 0, &.{ 1, 3, side, side }, &input);
    try context.compute();
    const scores = try context.getOutput(f32, 0, &output);
    softmax(scores);
    const found = best[0..@min(best.len, scores.len)];
    for (found) |*label| label.* = takeBest(scores);
    try weft.emitJson(allocator, .{ .labels = found });
}

fn softmax(scores: []f32) void {
    const largest = std.mem.max(f32, scores);
    var sum: f32 = 0;
    for (scores) |*score| {
        score.* = @exp(score.* - largest);
        sum += score.*;
    }
    for (scores) |*score| score.* /= sum;
}

fn takeBest(scores: []f32) Label {
    const index = std.mem.indexOfMax(f32, scores);
    defer scores[index] = -1;
    return .{ .label = name(index), .score = scores[index], .index = index };
}

fn name(index: usize) []const u8 {
    var lines = std.mem.splitScalar(u8, labels, '\n');
    for (0..index) |_| _ = lines.next() orelse break;
    const line = std.mem.trim(u8, lines.next() orelse "", "\r");
    return if (line.len > 0) line else "unnamed";
}
