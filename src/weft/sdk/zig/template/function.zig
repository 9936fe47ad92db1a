//! Says whether a picture is bright or dark. Config: threshold, 0 to 1 (0.5).

const std = @import("std");
const weft = @import("weft");

pub const panic = weft.panic;

const allocator = std.heap.wasm_allocator;
const side = 32;

var threshold: f32 = 0.5;

/// Called once, before the first frame.
export fn weft_init() i32 {
    return weft.status(init());
}

/// Called for every frame. 0 is done, anything else fails the frame.
export fn weft_handle() i32 {
    return weft.status(handle());
}

fn init() !void {
    if (try weft.configGet(allocator, "threshold")) |text| {
        defer allocator.free(text);
        threshold = try std.fmt.parseFloat(f32, text);
    }
    if (!(threshold > 0 and threshold < 1)) return error.ThresholdNotBetween0And1;
}

fn handle() !void {
    var grey: [side * side]u8 = undefined;
    try weft.imageRead(side, side, .gray8, &grey);
    var sum: f32 = 0;
    for (grey) |value| sum += @floatFromInt(value);
    const brightness = sum / (255 * grey.len);
    const bright = brightness >= threshold;
    try weft.emitJson(allocator, .{ .labels = .{.{
        .label = if (bright) "bright" else "dark",
        .score = if (bright) brightness else 1 - brightness,
    }} });
}
