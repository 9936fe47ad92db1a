//! Calls every host function once and reports what it said, line by line.

use std::fmt::Write;

use weft::nn::{self, Encoding, Graph, Target};
use weft::{Layout, Level, Norm, PixelFormat};

struct Conformance;

impl weft::Function for Conformance {
    fn init() -> weft::Result<Self> {
        Ok(Conformance)
    }

    fn handle(&mut self) -> weft::Result<()> {
        if weft::config_get("panic")?.is_some() {
            panic!("it gave up");
        }
        let mut report = String::new();
        frame(&mut report)?;
        state(&mut report)?;
        picture(&mut report)?;
        inference(&mut report)?;
        weft::log(Level::Info, "all called");
        weft::emit("report", "text/plain", report.as_bytes())
    }
}

macro_rules! say {
    ($out:expr, $($words:tt)*) => {
        writeln!($out, $($words)*).map_err(|_| "no room")?
    };
}

fn frame(out: &mut String) -> weft::Result<()> {
    let none = || "none".to_string();
    let mut head = [0; 3];
    say!(out, "size={}", weft::frame_size());
    weft::frame_read(&mut head, 1)?;
    say!(out, "head={}", String::from_utf8_lossy(&head));
    say!(out, "payload={}", weft::frame_payload()?.len());
    say!(out, "stream={}", weft::frame_stream()?);
    say!(out, "media={}", weft::frame_media_type()?);
    say!(out, "header={}", weft::frame_header("colour")?.unwrap_or_else(none));
    say!(out, "long={}", weft::frame_header("long")?.unwrap_or_else(none).len());
    say!(out, "missing-header={}", weft::frame_header("smell")?.unwrap_or_else(none));
    say!(out, "sequence={}", weft::frame_sequence());
    say!(out, "time={}", weft::frame_time());
    say!(out, "config={}", weft::config_get("mode")?.unwrap_or_else(none));
    say!(out, "missing-config={}", weft::config_get("nothing")?.unwrap_or_else(none));
    Ok(())
}

fn state(out: &mut String) -> weft::Result<()> {
    let stored = |key| weft::state_get(key).map(|value| value.unwrap_or_else(|| b"none".to_vec()));
    say!(out, "state={}", String::from_utf8_lossy(&stored("kept")?));
    weft::state_put("kept", b"abc")?;
    weft::state_put("long", &[b'x'; 700])?;
    say!(out, "stored={}", String::from_utf8_lossy(&stored("kept")?));
    say!(out, "long-state={}", stored("long")?.len());
    let deleted = (weft::state_delete("kept")?, weft::state_delete("long")?);
    say!(out, "deleted={},{}", i32::from(deleted.0), i32::from(deleted.1));
    say!(out, "again={}", i32::from(weft::state_delete("kept")?));
    let large = weft::state_put("kept", &[0; 5000]);
    say!(out, "large={}", i32::from(large == Err(weft::Error::TooLarge)));
    Ok(())
}

fn picture(out: &mut String) -> weft::Result<()> {
    let (width, height) = weft::image_size()?;
    say!(out, "picture={}x{}", width, height);
    let mut grey = [0; 16];
    weft::image_read(4, 4, PixelFormat::Gray8, &mut grey)?;
    say!(out, "grey={}", grey.iter().map(|&value| u32::from(value)).sum::<u32>());
    let (mut raw, mut normal) = ([0u8; 12], [0f32; 12]);
    weft::image_tensor(2, 2, Layout::Nhwc, None, &mut raw)?;
    weft::image_tensor(2, 2, Layout::Nchw, Some(&Norm { mean: [0.5; 3], std: [0.5; 3] }), &mut normal)?;
    say!(out, "tensor={},{}", raw[0], (normal[0] * 100.0) as i32);
    Ok(())
}

fn inference(out: &mut String) -> weft::Result<()> {
    let values = [1f32, 2.0, 3.0, 4.0];
    let mut output = [0f32; 8];
    {
        let graph = Graph::load_by_name("net")?;
        let mut context = graph.context()?;
        context.set_input(0, &[4], &values)?;
        context.compute()?;
        let count = context.get_output(0, &mut output)?;
        say!(out, "output={},{}", count, output[3]);
        context.set_input_by_name("x", &[4], &values)?;
        context.compute()?;
        let count = context.get_output_by_name("y", &mut output)?;
        say!(out, "named={},{}", count, output[2]);
        context.compute_single()?;
        let count = context.get_output_single(0, &mut output)?;
        say!(out, "single={},{}", count, output[1]);
        context.fini_single()?;
        context.compute()?;
        let small = context.get_output(0, &mut output[..1]);
        say!(out, "small={}", i32::from(small == Err(nn::Error::TooLarge)));
    }
    let graph = Graph::load_by_name_with_config("whole", "{}")?;
    let mut context = graph.context()?;
    let mut whole = [0i64; 2];
    context.set_input(0, &[2], &[5i64, -6])?;
    context.compute()?;
    let count = context.get_output(0, &mut whole)?;
    say!(out, "whole={},{}", count, whole[1]);
    let bytes = Graph::load(&[b"no model"], Encoding::Onnx, Target::Cpu).err();
    say!(out, "bytes={}", i32::from(bytes == Some(nn::Error::InvalidEncoding)));
    let unknown = Graph::load_by_name("nothing").err();
    say!(out, "unknown={}", i32::from(unknown == Some(nn::Error::NotFound)));
    Ok(())
}

weft::function!(Conformance);
