//! Weft's host functions and wasi-nn, with safe wrappers. No dependencies; `no_std` with `alloc`.
//!
//! A function is a type with [`Function`]: made once per instance, then handed every frame.
//!
//! ```ignore
//! struct Hello;
//!
//! impl weft::Function for Hello {
//!     fn init() -> weft::Result<Self> {
//!         Ok(Hello)
//!     }
//!     fn handle(&mut self) -> weft::Result<()> {
//!         weft::emit("", "text/plain", b"hello")
//!     }
//! }
//!
//! weft::function!(Hello);
//! ```
#![no_std]
#![warn(missing_docs)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

mod dtype;
mod function;
pub mod json;
pub mod nn;
pub mod raw;

pub use dtype::{Element, F16};
pub use function::{Function, Slot};

/// What a host function, or the function itself, says when it fails.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// An argument is wrong.
    InvalidArgument,
    /// No such header, config key or stream.
    NotFound,
    /// The buffer is too small.
    TooSmall,
    /// A state key or value is over a limit.
    TooLarge,
    /// Not granted.
    Denied,
    /// The host cannot do this.
    Unsupported,
    /// The host could not do it; the reason is in its log.
    Failed,
    /// wasi-nn failed.
    Nn(nn::Error),
    /// The function's own words.
    Message(String),
}

/// A result with Weft's error.
pub type Result<T> = core::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidArgument => out.write_str("an argument is wrong"),
            Error::NotFound => out.write_str("not found"),
            Error::TooSmall => out.write_str("the buffer is too small"),
            Error::TooLarge => out.write_str("the key or value is over a limit of the state"),
            Error::Denied => out.write_str("not granted"),
            Error::Unsupported => out.write_str("not supported"),
            Error::Failed => out.write_str("the host could not do it"),
            Error::Nn(error) => write!(out, "wasi-nn: {}", error),
            Error::Message(text) => out.write_str(text),
        }
    }
}

impl From<&str> for Error {
    fn from(text: &str) -> Self {
        Error::Message(text.into())
    }
}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Error::Message(text)
    }
}

impl From<nn::Error> for Error {
    fn from(error: nn::Error) -> Self {
        Error::Nn(error)
    }
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// How [`image_read`] writes pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// Three bytes: red, green, blue.
    Rgb8,
    /// Three bytes: blue, green, red.
    Bgr8,
    /// One byte.
    Gray8,
    /// Three `f32` from 0 to 1: red, green, blue.
    Rgb32f,
}

/// How the dimensions of a picture's tensor are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Height, width, channels.
    Nhwc,
    /// Channels, height, width.
    Nchw,
}

/// What a picture's values are brought to: `(rgb / 255 - mean) / std`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Norm {
    pub mean: [f32; 3],
    pub std: [f32; 3],
}

/// The normalisation of models trained on ImageNet.
pub const IMAGENET: Norm = Norm { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

// --- the current frame ------------------------------------------------------------------

/// Bytes of the payload.
pub fn frame_size() -> usize {
    unsafe { raw::frame_size() as usize }
}

/// Copies the payload from `offset` on; how many bytes of `buffer` were filled.
pub fn frame_read(buffer: &mut [u8], offset: usize) -> Result<usize> {
    count(unsafe { raw::frame_read(buffer.as_mut_ptr(), buffer.len(), offset) })
}

/// The whole payload.
pub fn frame_payload() -> Result<Vec<u8>> {
    let mut buffer = alloc::vec![0; frame_size()];
    let filled = frame_read(&mut buffer, 0)?;
    buffer.truncate(filled);
    Ok(buffer)
}

/// The stream's name.
pub fn frame_stream() -> Result<String> {
    text(|ptr, cap| unsafe { raw::frame_stream(ptr, cap) })
}

/// The payload's media type.
pub fn frame_media_type() -> Result<String> {
    text(|ptr, cap| unsafe { raw::frame_media_type(ptr, cap) })
}

/// A header's value, if the frame has it.
pub fn frame_header(name: &str) -> Result<Option<String>> {
    optional(text(|ptr, cap| unsafe { raw::frame_header(name.as_ptr(), name.len(), ptr, cap) }))
}

/// The frame's number at its source.
pub fn frame_sequence() -> i64 {
    unsafe { raw::frame_sequence() }
}

/// Nanoseconds since the epoch.
pub fn frame_time() -> i64 {
    unsafe { raw::frame_time() }
}

// --- the current frame as a picture -----------------------------------------------------

/// Width and height of the picture.
pub fn image_size() -> Result<(u32, u32)> {
    let mut size = [0u32; 2];
    check(unsafe { raw::image_size(size.as_mut_ptr()) })?;
    Ok((size[0], size[1]))
}

/// The picture resized to `width` x `height`; `out` must have exactly the bytes the format needs.
pub fn image_read(width: u32, height: u32, format: PixelFormat, out: &mut [u8]) -> Result<()> {
    check(unsafe { raw::image_read(width, height, format as u32, out.as_mut_ptr(), out.len()) })
}

/// The picture as a model's input: `width * height * 3` values of `f32` or [`F16`] (normalised) or `u8` (0 to 255,
/// without `norm`).
pub fn image_tensor<T: Element>(
    width: u32,
    height: u32,
    layout: Layout,
    norm: Option<&Norm>,
    out: &mut [T],
) -> Result<()> {
    let none = core::ptr::null();
    let (mean, std) = norm.map_or((none, none), |norm| (norm.mean.as_ptr(), norm.std.as_ptr()));
    let bytes = core::mem::size_of_val(out);
    let ptr = out.as_mut_ptr().cast();
    check(unsafe { raw::image_tensor(width, height, layout as u32, T::DTYPE, mean, std, ptr, bytes) })
}

// --- what the function says -------------------------------------------------------------

/// Emits a frame; an empty stream is the function's default output.
pub fn emit(stream: &str, media_type: &str, payload: &[u8]) -> Result<()> {
    check(unsafe {
        raw::emit(stream.as_ptr(), stream.len(), media_type.as_ptr(), media_type.len(), payload.as_ptr(), payload.len())
    })
}

/// Emits a JSON text to the default output.
pub fn emit_json(document: &str) -> Result<()> {
    emit("", "application/json", document.as_bytes())
}

/// A value of the function's config, if it is there.
pub fn config_get(key: &str) -> Result<Option<String>> {
    optional(text(|ptr, cap| unsafe { raw::config_get(key.as_ptr(), key.len(), ptr, cap) }))
}

/// A log line.
pub fn log(level: Level, line: &str) {
    unsafe { raw::log(level as u32, line.as_ptr(), line.len()) }
}

// --- state: values that outlive the instance and the process, where state is granted -----

/// A value of the function's state, if it is there.
pub fn state_get(key: &str) -> Result<Option<Vec<u8>>> {
    optional(bytes(|ptr, cap| unsafe { raw::state_get(key.as_ptr(), key.len(), ptr, cap) }))
}

/// Writes a value of the function's state: kept when the frame succeeds, thrown away when it fails.
pub fn state_put(key: &str, value: &[u8]) -> Result<()> {
    within_limits(unsafe { raw::state_put(key.as_ptr(), key.len(), value.as_ptr(), value.len()) })
}

/// Deletes a value of the function's state; false where it was not there.
pub fn state_delete(key: &str) -> Result<bool> {
    let deleted = within_limits(unsafe { raw::state_delete(key.as_ptr(), key.len()) });
    Ok(optional(deleted)?.is_some())
}

// --- helpers ----------------------------------------------------------------------------

fn check(code: i32) -> Result<()> {
    count(code).map(|_| ())
}

fn count(code: i32) -> Result<usize> {
    match code {
        0.. => Ok(code as usize),
        -1 => Err(Error::InvalidArgument),
        -2 => Err(Error::NotFound),
        -3 => Err(Error::TooSmall),
        -4 => Err(Error::Denied),
        -5 => Err(Error::Unsupported),
        _ => Err(Error::Failed),
    }
}

/// As [`check`], for calls that have no buffer to be too small.
fn within_limits(code: i32) -> Result<()> {
    check(code).map_err(|error| if error == Error::TooSmall { Error::TooLarge } else { error })
}

/// A text of unknown length.
fn text(read: impl Fn(*mut u8, usize) -> i32) -> Result<String> {
    String::from_utf8(bytes(read)?).map_err(|_| Error::InvalidArgument)
}

/// Bytes of unknown length: asked for with some room, then with the room they need.
fn bytes(read: impl Fn(*mut u8, usize) -> i32) -> Result<Vec<u8>> {
    let mut buffer = alloc::vec![0; 256];
    let mut length = count(read(buffer.as_mut_ptr(), buffer.len()))?;
    if length > buffer.len() {
        buffer.resize(length, 0);
        length = count(read(buffer.as_mut_ptr(), buffer.len()))?;
    }
    buffer.truncate(length);
    Ok(buffer)
}

fn optional<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}
