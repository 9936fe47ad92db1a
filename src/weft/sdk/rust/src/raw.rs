//! The imports as they are. Pointers and lengths are 32 bits wide, as everything in wasm32.
#![allow(missing_docs)]

#[link(wasm_import_module = "weft")]
extern "C" {
    pub fn frame_size() -> i32;
    pub fn frame_read(ptr: *mut u8, cap: usize, offset: usize) -> i32;
    pub fn frame_stream(ptr: *mut u8, cap: usize) -> i32;
    pub fn frame_media_type(ptr: *mut u8, cap: usize) -> i32;
    pub fn frame_header(name: *const u8, name_len: usize, ptr: *mut u8, cap: usize) -> i32;
    pub fn frame_sequence() -> i64;
    pub fn frame_time() -> i64;
    pub fn image_size(out: *mut u32) -> i32;
    pub fn image_read(width: u32, height: u32, format: u32, ptr: *mut u8, len: usize) -> i32;
    pub fn image_tensor(
        width: u32,
        height: u32,
        layout: u32,
        dtype: u32,
        mean: *const f32,
        std: *const f32,
        ptr: *mut u8,
        len: usize,
    ) -> i32;
    pub fn emit(
        stream: *const u8,
        stream_len: usize,
        media_type: *const u8,
        media_len: usize,
        payload: *const u8,
        len: usize,
    ) -> i32;
    pub fn config_get(key: *const u8, key_len: usize, ptr: *mut u8, cap: usize) -> i32;
    pub fn log(level: u32, line: *const u8, len: usize);
    pub fn state_get(key: *const u8, key_len: usize, ptr: *mut u8, cap: usize) -> i32;
    pub fn state_put(key: *const u8, key_len: usize, value: *const u8, len: usize) -> i32;
    pub fn state_delete(key: *const u8, key_len: usize) -> i32;
}

pub mod nn {
    /// One part of a model's bytes.
    #[derive(Clone, Copy)]
    #[repr(C)]
    pub struct Builder {
        pub ptr: *const u8,
        pub len: usize,
    }

    #[repr(C)]
    pub struct Tensor {
        pub dims: *const u32,
        pub dims_len: usize,
        pub dtype: u32,
        pub data: *const u8,
        pub data_len: usize,
    }

    #[link(wasm_import_module = "wasi_ephemeral_nn")]
    extern "C" {
        pub fn load(parts: *const Builder, count: usize, encoding: u32, target: u32, graph: *mut u32) -> u32;
        pub fn load_by_name(name: *const u8, len: usize, graph: *mut u32) -> u32;
        pub fn load_by_name_with_config(
            name: *const u8,
            len: usize,
            json: *const u8,
            json_len: usize,
            graph: *mut u32,
        ) -> u32;
        pub fn init_execution_context(graph: u32, context: *mut u32) -> u32;
        pub fn set_input(context: u32, index: u32, tensor: *const Tensor) -> u32;
        pub fn set_input_by_string(context: u32, name: *const u8, len: usize, tensor: *const Tensor) -> u32;
        pub fn compute(context: u32) -> u32;
        pub fn get_output(context: u32, index: u32, ptr: *mut u8, max: usize, written: *mut usize) -> u32;
        pub fn get_output_by_string(
            context: u32,
            name: *const u8,
            len: usize,
            ptr: *mut u8,
            max: usize,
            written: *mut usize,
        ) -> u32;
        pub fn compute_single(context: u32) -> u32;
        pub fn get_output_single(context: u32, index: u32, ptr: *mut u8, max: usize, written: *mut usize) -> u32;
        pub fn fini_single(context: u32) -> u32;
        pub fn finalize_execution_context(context: u32) -> u32;
        pub fn unload(graph: u32) -> u32;
    }
}
