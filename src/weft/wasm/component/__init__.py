"""WebAssembly components: what they import is served by interfaces, one file each, over wasmtime's C interface."""
