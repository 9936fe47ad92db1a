//! wasi-nn: models and inference.

use core::fmt;
use core::mem::{size_of, size_of_val};

use crate::raw::nn as raw;
use crate::Element;

/// What wasi-nn says when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Error {
    InvalidArgument,
    InvalidEncoding,
    MissingMemory,
    Busy,
    RuntimeError,
    Unsupported,
    TooLarge,
    NotFound,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Error::InvalidArgument => "an argument is wrong",
            Error::InvalidEncoding => "no model this host reads",
            Error::MissingMemory => "no memory",
            Error::Busy => "busy",
            Error::RuntimeError => "the inference failed",
            Error::Unsupported => "not supported",
            Error::TooLarge => "too large for the buffer",
            Error::NotFound => "not found or not granted",
        })
    }
}

/// A result with wasi-nn's error.
pub type Result<T> = core::result::Result<T, Error>;

/// What a model's bytes are; the host looks for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Encoding {
    Openvino,
    Onnx,
    Tensorflow,
    Pytorch,
    Tflite,
    Autodetect,
}

/// Where a model brought by the function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Target {
    Cpu,
    Gpu,
    Tpu,
    Auto,
}

/// A model. Dropping it lets go of it; its contexts live on.
#[derive(Debug)]
pub struct Graph(u32);

impl Graph {
    /// A model that was granted under this name.
    pub fn load_by_name(name: &str) -> Result<Graph> {
        made(|out| unsafe { raw::load_by_name(name.as_ptr(), name.len(), out) }).map(Graph)
    }

    /// As [`Graph::load_by_name`], with a JSON text; engine and device stay the operator's choice.
    pub fn load_by_name_with_config(name: &str, json: &str) -> Result<Graph> {
        let (name_len, json_len) = (name.len(), json.len());
        made(|out| unsafe { raw::load_by_name_with_config(name.as_ptr(), name_len, json.as_ptr(), json_len, out) })
            .map(Graph)
    }

    /// A model from the function's own bytes, at most 8 parts (OpenVINO has two); needs the grant `nn.load`.
    pub fn load(parts: &[&[u8]], encoding: Encoding, target: Target) -> Result<Graph> {
        let mut builders = [raw::Builder { ptr: core::ptr::null(), len: 0 }; 8];
        if parts.len() > builders.len() {
            return Err(Error::InvalidArgument);
        }
        for (builder, part) in builders.iter_mut().zip(parts) {
            *builder = raw::Builder { ptr: part.as_ptr(), len: part.len() };
        }
        made(|out| unsafe { raw::load(builders.as_ptr(), parts.len(), encoding as u32, target as u32, out) }).map(Graph)
    }

    /// A context to run the model in.
    pub fn context(&self) -> Result<Context> {
        made(|out| unsafe { raw::init_execution_context(self.0, out) }).map(Context)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        unsafe { raw::unload(self.0) };
    }
}

/// A model ready to run.
#[derive(Debug)]
pub struct Context(u32);

impl Context {
    /// Sets an input by its number.
    pub fn set_input<T: Element>(&mut self, index: u32, dims: &[u32], data: &[T]) -> Result<()> {
        check(unsafe { raw::set_input(self.0, index, &tensor(dims, data)) })
    }

    /// Sets an input by its name.
    pub fn set_input_by_name<T: Element>(&mut self, name: &str, dims: &[u32], data: &[T]) -> Result<()> {
        check(unsafe { raw::set_input_by_string(self.0, name.as_ptr(), name.len(), &tensor(dims, data)) })
    }

    /// Runs the model on the inputs that were set.
    pub fn compute(&mut self) -> Result<()> {
        check(unsafe { raw::compute(self.0) })
    }

    /// Copies an output; how many elements of `out` were filled.
    pub fn get_output<T: Element>(&self, index: u32, out: &mut [T]) -> Result<usize> {
        let (ptr, max) = room(out);
        elements::<T>(|written| unsafe { raw::get_output(self.0, index, ptr, max, written) })
    }

    /// Copies an output by its name.
    pub fn get_output_by_name<T: Element>(&self, name: &str, out: &mut [T]) -> Result<usize> {
        let (ptr, max) = room(out);
        elements::<T>(|written| unsafe {
            raw::get_output_by_string(self.0, name.as_ptr(), name.len(), ptr, max, written)
        })
    }

    /// The single forms are for models that answer piece by piece; here one inference is one piece.
    pub fn compute_single(&mut self) -> Result<()> {
        check(unsafe { raw::compute_single(self.0) })
    }

    /// As [`Context::get_output`].
    pub fn get_output_single<T: Element>(&self, index: u32, out: &mut [T]) -> Result<usize> {
        let (ptr, max) = room(out);
        elements::<T>(|written| unsafe { raw::get_output_single(self.0, index, ptr, max, written) })
    }

    /// Forgets the last outputs.
    pub fn fini_single(&mut self) -> Result<()> {
        check(unsafe { raw::fini_single(self.0) })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        unsafe { raw::finalize_execution_context(self.0) };
    }
}

fn tensor<T: Element>(dims: &[u32], data: &[T]) -> raw::Tensor {
    raw::Tensor {
        dims: dims.as_ptr(),
        dims_len: dims.len(),
        dtype: T::DTYPE,
        data: data.as_ptr().cast(),
        data_len: size_of_val(data),
    }
}

fn room<T: Element>(out: &mut [T]) -> (*mut u8, usize) {
    (out.as_mut_ptr().cast(), size_of_val(out))
}

fn elements<T: Element>(call: impl FnOnce(*mut usize) -> u32) -> Result<usize> {
    let mut written = 0;
    check(call(&mut written))?;
    Ok(written / size_of::<T>())
}

fn made(call: impl FnOnce(*mut u32) -> u32) -> Result<u32> {
    let mut handle = 0;
    check(call(&mut handle))?;
    Ok(handle)
}

fn check(code: u32) -> Result<()> {
    match code {
        0 => Ok(()),
        1 => Err(Error::InvalidArgument),
        2 => Err(Error::InvalidEncoding),
        3 => Err(Error::MissingMemory),
        4 => Err(Error::Busy),
        6 => Err(Error::Unsupported),
        7 => Err(Error::TooLarge),
        8 => Err(Error::NotFound),
        _ => Err(Error::RuntimeError),
    }
}
