//! The types that tensors are made of.

/// A type tensors are made of: `f32`, `f64`, `u8`, `i32`, `i64` and [`F16`].
///
/// # Safety
///
/// Every bit pattern must be a value of the type, and `DTYPE` must be its number in wasi-nn.
pub unsafe trait Element: Copy {
    /// wasi-nn's number of the type.
    const DTYPE: u32;
}

/// The bits of a 16-bit float.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct F16(
    /// As IEEE 754 lays them out.
    pub u16,
);

unsafe impl Element for F16 {
    const DTYPE: u32 = 0;
}

unsafe impl Element for f32 {
    const DTYPE: u32 = 1;
}

unsafe impl Element for f64 {
    const DTYPE: u32 = 2;
}

unsafe impl Element for u8 {
    const DTYPE: u32 = 3;
}

unsafe impl Element for i32 {
    const DTYPE: u32 = 4;
}

unsafe impl Element for i64 {
    const DTYPE: u32 = 5;
}
