/* Weft's reactor ABI and wasi-nn for C, without any dependency (not even libc).
 *
 * A function is a reactor: it exports weft_handle(), called once per frame, and may export
 * weft_init(), called once per instance. Build it with
 *
 *     zig cc --target=wasm32-wasi -mexec-model=reactor -O2 -s -I weft/sdk/c -o f.wasm f.c
 *
 *     #include "weft.h"
 *     WEFT_EXPORT(weft_handle) int32_t weft_handle(void) {
 *         return weft_emit("", 0, "text/plain", 10, "hello", 5);
 *     }
 *
 * Host functions return a count or 0 on success and a negative WEFT_E… on failure.
 * wasi-nn functions return 0 on success and a positive NN_… on failure.
 */
#ifndef WEFT_H
#define WEFT_H

#include <stdint.h>

#define WEFT_EXPORT(name) __attribute__((export_name(#name)))
#define WEFT_IMPORT(module, name) __attribute__((import_module(module), import_name(name))) extern

/* What host functions of `weft` return on failure. */
enum {
    WEFT_EINVAL = -1,      /* an argument is wrong, or a pointer is outside memory */
    WEFT_ENOTFOUND = -2,   /* no such header, config key, stream or state key */
    WEFT_ETOOSMALL = -3,   /* the buffer is too small */
    WEFT_ETOOLARGE = -3,   /* a state key or value is over a limit */
    WEFT_EDENIED = -4,     /* not granted */
    WEFT_EUNSUPPORTED = -5,
    WEFT_EFAILED = -6      /* the host could not do it; the reason is in its log */
};

enum { WEFT_RGB8 = 0, WEFT_BGR8 = 1, WEFT_GRAY8 = 2, WEFT_RGB32F = 3 };       /* image_read format */
enum { WEFT_NHWC = 0, WEFT_NCHW = 1 };                                        /* image_tensor layout */
enum { WEFT_TRACE = 0, WEFT_DEBUG = 1, WEFT_INFO = 2, WEFT_WARN = 3, WEFT_ERROR = 4 };

/* --- the current frame ------------------------------------------------------------------- */

WEFT_IMPORT("weft", "frame_size") int32_t weft_frame_size(void);
WEFT_IMPORT("weft", "frame_read") int32_t weft_frame_read(void *ptr, uint32_t cap, uint32_t offset);
/* Text: the length in bytes; copied only if it fits into cap. No terminating zero. */
WEFT_IMPORT("weft", "frame_stream") int32_t weft_frame_stream(char *ptr, uint32_t cap);
WEFT_IMPORT("weft", "frame_media_type") int32_t weft_frame_media_type(char *ptr, uint32_t cap);
WEFT_IMPORT("weft", "frame_header")
int32_t weft_frame_header(const char *name, uint32_t name_len, char *ptr, uint32_t cap);
WEFT_IMPORT("weft", "frame_sequence") int64_t weft_frame_sequence(void);
WEFT_IMPORT("weft", "frame_time") int64_t weft_frame_time(void); /* ns since the epoch */

/* --- the current frame as a picture ------------------------------------------------------ */

WEFT_IMPORT("weft", "image_size") int32_t weft_image_size(uint32_t out_width_height[2]);
/* Decodes once, resizes to width x height, writes. len must be exactly what the format needs. */
WEFT_IMPORT("weft", "image_read")
int32_t weft_image_read(uint32_t width, uint32_t height, uint32_t format, void *ptr, uint32_t len);
/* (rgb / 255 - mean) / std as NN_F32 or NN_F16, or raw 0..255 as NN_U8 (then no mean, no std). */
WEFT_IMPORT("weft", "image_tensor")
int32_t weft_image_tensor(uint32_t width, uint32_t height, uint32_t layout, uint32_t dtype, const float mean[3],
                          const float std[3], void *ptr, uint32_t len);

/* --- what the function says -------------------------------------------------------------- */

/* An empty stream is the function's default output. */
WEFT_IMPORT("weft", "emit")
int32_t weft_emit(const char *stream, uint32_t stream_len, const char *media_type, uint32_t media_len,
                  const void *payload, uint32_t len);
/* The value's length in bytes; copied only if it fits into cap. */
WEFT_IMPORT("weft", "config_get") int32_t weft_config_get(const char *key, uint32_t key_len, char *ptr, uint32_t cap);
WEFT_IMPORT("weft", "log") void weft_log(uint32_t level, const char *text, uint32_t len);

/* --- state: values that outlive the instance and the process, where state is granted ----- */

/* A frame is a transaction: what it writes is kept when weft_handle returns 0, and thrown away when the frame fails.
 * Keys are UTF-8 text of 1 to 512 bytes. The value's length in bytes; copied only if it fits into cap. */
WEFT_IMPORT("weft", "state_get") int32_t weft_state_get(const char *key, uint32_t key_len, void *ptr, uint32_t cap);
WEFT_IMPORT("weft", "state_put")
int32_t weft_state_put(const char *key, uint32_t key_len, const void *value, uint32_t len);
/* WEFT_ENOTFOUND where it was not there. */
WEFT_IMPORT("weft", "state_delete") int32_t weft_state_delete(const char *key, uint32_t key_len);

/* --- wasi-nn ----------------------------------------------------------------------------- */

enum {
    NN_OK = 0, NN_INVALID_ARGUMENT = 1, NN_INVALID_ENCODING = 2, NN_MISSING_MEMORY = 3, NN_BUSY = 4,
    NN_RUNTIME_ERROR = 5, NN_UNSUPPORTED = 6, NN_TOO_LARGE = 7, NN_NOT_FOUND = 8
};
enum { NN_F16 = 0, NN_F32 = 1, NN_F64 = 2, NN_U8 = 3, NN_I32 = 4, NN_I64 = 5 };                /* dtype */
enum { NN_OPENVINO = 0, NN_ONNX = 1, NN_TENSORFLOW = 2, NN_PYTORCH = 3, NN_TFLITE = 4, NN_AUTODETECT = 5 };
enum { NN_CPU = 0, NN_GPU = 1, NN_TPU = 2, NN_AUTO = 3 };

typedef struct {
    const uint32_t *dims;
    uint32_t dims_len;
    uint32_t type;
    const void *data;
    uint32_t data_len;
} nn_tensor;

typedef struct {
    const void *ptr;
    uint32_t len;
} nn_builder;

#define NN_IMPORT(name) WEFT_IMPORT("wasi_ephemeral_nn", name)
NN_IMPORT("load")
uint32_t nn_load(const nn_builder *parts, uint32_t count, uint32_t encoding, uint32_t target, uint32_t *graph);
NN_IMPORT("load_by_name") uint32_t nn_load_by_name(const char *name, uint32_t len, uint32_t *graph);
/* As nn_load_by_name, with a JSON text; engine and device stay the operator's choice. */
NN_IMPORT("load_by_name_with_config")
uint32_t nn_load_by_name_with_config(const char *name, uint32_t len, const char *json, uint32_t json_len,
                                     uint32_t *graph);
NN_IMPORT("init_execution_context") uint32_t nn_init_execution_context(uint32_t graph, uint32_t *context);
NN_IMPORT("set_input") uint32_t nn_set_input(uint32_t context, uint32_t index, const nn_tensor *tensor);
NN_IMPORT("set_input_by_string")
uint32_t nn_set_input_by_string(uint32_t context, const char *name, uint32_t len, const nn_tensor *tensor);
NN_IMPORT("compute") uint32_t nn_compute(uint32_t context);
/* Writes at most max bytes; *written is the size, also when the buffer is too small (NN_TOO_LARGE). */
NN_IMPORT("get_output")
uint32_t nn_get_output(uint32_t context, uint32_t index, void *ptr, uint32_t max, uint32_t *written);
NN_IMPORT("get_output_by_string")
uint32_t nn_get_output_by_string(uint32_t context, const char *name, uint32_t len, void *ptr, uint32_t max,
                                 uint32_t *written);
/* For models that answer piece by piece; here one inference is one piece. */
NN_IMPORT("compute_single") uint32_t nn_compute_single(uint32_t context);
NN_IMPORT("get_output_single")
uint32_t nn_get_output_single(uint32_t context, uint32_t index, void *ptr, uint32_t max, uint32_t *written);
NN_IMPORT("fini_single") uint32_t nn_fini_single(uint32_t context);
NN_IMPORT("finalize_execution_context") uint32_t nn_finalize_execution_context(uint32_t context);
NN_IMPORT("unload") uint32_t nn_unload(uint32_t graph);

#endif
