package weft

import "unsafe"

// The imports as they are. Pointers cross as 32 bits.

//go:wasmimport weft frame_size
func frameSize() int32

//go:wasmimport weft frame_read
func frameRead(ptr unsafe.Pointer, size, offset uint32) int32

//go:wasmimport weft frame_stream
func frameStream(ptr unsafe.Pointer, size uint32) int32

//go:wasmimport weft frame_media_type
func frameMediaType(ptr unsafe.Pointer, size uint32) int32

//go:wasmimport weft frame_header
func frameHeader(name unsafe.Pointer, nameLen uint32, ptr unsafe.Pointer, size uint32) int32

//go:wasmimport weft frame_sequence
func frameSequence() int64

//go:wasmimport weft frame_time
func frameTime() int64

//go:wasmimport weft image_size
func imageSize(out unsafe.Pointer) int32

//go:wasmimport weft image_read
func imageRead(width, height, format uint32, ptr unsafe.Pointer, size uint32) int32

//go:wasmimport weft image_tensor
func imageTensor(width, height, layout, dtype uint32, mean, std, ptr unsafe.Pointer, size uint32) int32

//go:wasmimport weft emit
func emit(stream unsafe.Pointer, streamLen uint32, mediaType unsafe.Pointer, mediaLen uint32,
	payload unsafe.Pointer, size uint32) int32

//go:wasmimport weft config_get
func configGet(key unsafe.Pointer, keyLen uint32, ptr unsafe.Pointer, size uint32) int32

//go:wasmimport weft log
func logLine(level uint32, line unsafe.Pointer, size uint32)

//go:wasmimport weft state_get
func stateGet(key unsafe.Pointer, keyLen uint32, ptr unsafe.Pointer, size uint32) int32

//go:wasmimport weft state_put
func statePut(key unsafe.Pointer, keyLen uint32, value unsafe.Pointer, size uint32) int32

//go:wasmimport weft state_delete
func stateDelete(key unsafe.Pointer, keyLen uint32) int32

//go:wasmimport wasi_ephemeral_nn load
func nnLoad(parts unsafe.Pointer, count, encoding, target uint32, graph unsafe.Pointer) uint32

//go:wasmimport wasi_ephemeral_nn load_by_name
func nnLoadByName(name unsafe.Pointer, nameLen uint32, graph unsafe.Pointer) uint32

//go:wasmimport wasi_ephemeral_nn load_by_name_with_config
func nnLoadByNameWithConfig(name unsafe.Pointer, nameLen uint32, json unsafe.Pointer, jsonLen uint32,
	graph unsafe.Pointer) uint32

//go:wasmimport wasi_ephemeral_nn init_execution_context
func nnInitExecutionContext(graph uint32, context unsafe.Pointer) uint32

//go:wasmimport wasi_ephemeral_nn set_input
func nnSetInput(context, index uint32, tensor unsafe.Pointer) uint32

//go:wasmimport wasi_ephemeral_nn set_input_by_string
func nnSetInputByString(context uint32, name unsafe.Pointer, nameLen uint32, tensor unsafe.Pointer) uint32

//go:wasmimport wasi_ephemeral_nn compute
func nnCompute(context uint32) uint32

//go:wasmimport wasi_ephemeral_nn get_output
func nnGetOutput(context, index uint32, ptr unsafe.Pointer, size uint32, written unsafe.Pointer) uint32

//go:wasmimport wasi_ephemeral_nn get_output_by_string
func nnGetOutputByString(context uint32, name unsafe.Pointer, nameLen uint32, ptr unsafe.Pointer, size uint32,
	written unsafe.Pointer) uint32

//go:wasmimport wasi_ephemeral_nn compute_single
func nnComputeSingle(context uint32) uint32

//go:wasmimport wasi_ephemeral_nn get_output_single
func nnGetOutputSingle(context, index uint32, ptr unsafe.Pointer, size uint32, written unsafe.Pointer) uint32

//go:wasmimport wasi_ephemeral_nn fini_single
func nnFiniSingle(context uint32) uint32

//go:wasmimport wasi_ephemeral_nn finalize_execution_context
func nnFinalizeExecutionContext(context uint32) uint32

//go:wasmimport wasi_ephemeral_nn unload
func nnUnload(graph uint32) uint32
