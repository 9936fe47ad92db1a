/* WasmEdge's host functions as its guests declare them: the first generation, and the second with a 2 at the end. */
#include <stdint.h>

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name))) extern
#define EXPORT(name) __attribute__((export_name(#name)))

#define TF "wasmedge_tensorflow"
#define LITE "wasmedge_tensorflowlite"
#define IMAGE "wasmedge_image"

enum { TF_F32 = 1, TF_F64 = 2, TF_I32 = 3, TF_U8 = 4 };
enum { RGB8, BGR8, RGB32F, BGR32F };

/* --- the first generation */
IMPORT(TF, TF "_create_session") int64_t tf_create(const void *model, uint32_t len);
IMPORT(TF, TF "_delete_session") void tf_delete(int64_t session);
IMPORT(TF, TF "_run_session") int32_t tf_run(int64_t session);
IMPORT(TF, TF "_append_input")
void tf_input(int64_t session, const char *name, uint32_t name_len, uint32_t output, const int64_t *dims, uint32_t rank,
              uint32_t dtype, const void *data, uint32_t len);
IMPORT(TF, TF "_append_output") void tf_output(int64_t session, const char *name, uint32_t name_len, uint32_t output);
IMPORT(TF, TF "_get_output_tensor")
int64_t tf_tensor(int64_t session, const char *name, uint32_t name_len, uint32_t output);
IMPORT(TF, TF "_get_tensor_len") uint32_t tf_len(int64_t tensor);
IMPORT(TF, TF "_get_tensor_data") void tf_data(int64_t tensor, void *out);
IMPORT(TF, TF "_clear_input") void tf_clear_input(int64_t session);
IMPORT(TF, TF "_clear_output") void tf_clear_output(int64_t session);

IMPORT(LITE, LITE "_create_session") int64_t lite_create(const void *model, uint32_t len);
IMPORT(LITE, LITE "_delete_session") void lite_delete(int64_t session);
IMPORT(LITE, LITE "_run_session") int32_t lite_run(int64_t session);
IMPORT(LITE, LITE "_append_input")
void lite_input(int64_t session, const char *name, uint32_t name_len, const void *data, uint32_t len);
IMPORT(LITE, LITE "_get_output_tensor") int64_t lite_tensor(int64_t session, const char *name, uint32_t name_len);
IMPORT(LITE, LITE "_get_tensor_len") uint32_t lite_len(int64_t tensor);
IMPORT(LITE, LITE "_get_tensor_data") void lite_data(int64_t tensor, void *out);

IMPORT(IMAGE, IMAGE "_load_jpg_to_rgb8")
int32_t jpg_to_rgb8(const void *image, uint32_t len, uint32_t width, uint32_t height, void *out);
IMPORT(IMAGE, IMAGE "_load_png_to_rgb32f")
int32_t png_to_rgb32f(const void *image, uint32_t len, uint32_t width, uint32_t height, void *out);

/* --- the second */
IMPORT(TF, "create_session") int32_t tf_create2(const void *model, uint32_t len, uint32_t *session);
IMPORT(TF, "create_session_saved_model")
int32_t tf_saved_model2(const char *path, uint32_t len, const void *tags, uint32_t count, uint32_t *session);
IMPORT(TF, "delete_session") int32_t tf_delete2(uint32_t session);
IMPORT(TF, "run_session") int32_t tf_run2(uint32_t session);
IMPORT(TF, "append_input")
int32_t tf_input2(uint32_t session, const char *name, uint32_t name_len, const int64_t *dims, uint32_t rank,
                  uint32_t dtype, const void *data, uint32_t len);
IMPORT(TF, "append_output") int32_t tf_output2(uint32_t session, const char *name, uint32_t name_len);
IMPORT(TF, "get_output_tensor")
int32_t tf_tensor2(uint32_t session, const char *name, uint32_t name_len, uint32_t *tensor);
IMPORT(TF, "get_tensor_len") int32_t tf_len2(uint32_t session, uint32_t tensor, uint32_t *len);
IMPORT(TF, "get_tensor_data")
int32_t tf_data2(uint32_t session, uint32_t tensor, void *out, uint32_t room, uint32_t *written);
IMPORT(TF, "clear_input") int32_t tf_clear_input2(uint32_t session);
IMPORT(TF, "clear_output") int32_t tf_clear_output2(uint32_t session);

IMPORT(LITE, "create_session") int32_t lite_create2(const void *model, uint32_t len, uint32_t *session);
IMPORT(LITE, "delete_session") int32_t lite_delete2(uint32_t session);
IMPORT(LITE, "run_session") int32_t lite_run2(uint32_t session);
IMPORT(LITE, "append_input")
int32_t lite_input2(uint32_t session, const char *name, uint32_t name_len, const void *data, uint32_t len);
IMPORT(LITE, "get_output_tensor")
int32_t lite_tensor2(uint32_t session, const char *name, uint32_t name_len, uint32_t *tensor);
IMPORT(LITE, "get_tensor_len") int32_t lite_len2(uint32_t session, uint32_t tensor, uint32_t *len);
IMPORT(LITE, "get_tensor_data")
int32_t lite_data2(uint32_t session, uint32_t tensor, void *out, uint32_t room, uint32_t *written);

IMPORT(IMAGE, "load_jpg")
int32_t load_jpg2(const void *image, uint32_t len, uint32_t width, uint32_t height, uint32_t type, void *out,
                  uint32_t out_len);
IMPORT(IMAGE, "load_image")
int32_t load_image2(const void *image, uint32_t len, uint32_t width, uint32_t height, uint32_t type, void *out,
                    uint32_t out_len);
