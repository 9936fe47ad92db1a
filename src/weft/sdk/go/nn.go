package weft

import (
	"fmt"
	"runtime"
	"unsafe"
)

// NNError is what wasi-nn says when it fails.
type NNError uint32

const (
	NNInvalidArgument NNError = iota + 1
	NNInvalidEncoding
	NNMissingMemory
	NNBusy
	NNRuntimeError
	NNUnsupported
	NNTooLarge
	NNNotFound
)

func (e NNError) Error() string {
	names := []string{"an argument is wrong", "no model this host reads", "no memory", "busy", "the inference failed",
		"not supported", "too large for the buffer", "not found or not granted"}
	if e > 0 && int(e) <= len(names) {
		return "wasi-nn: " + names[e-1]
	}
	return fmt.Sprintf("wasi-nn: error %d", uint32(e))
}

// Encoding says what a model's bytes are; the host looks for itself.
type Encoding uint32

const (
	OpenVINO Encoding = iota
	ONNX
	TensorFlow
	PyTorch
	TFLite
	Autodetect
)

// Target says where a model brought by the function runs.
type Target uint32

const (
	CPU Target = iota
	GPU
	TPU
	Auto
)

// Graph is a model.
type Graph struct{ handle uint32 }

// Context is a model ready to run.
type Context struct{ handle uint32 }

// LoadByName is a model that was granted under this name.
func LoadByName(name string) (*Graph, error) {
	graph := new(Graph)
	return graph, nnCheck(nnLoadByName(chars(name), uint32(len(name)), unsafe.Pointer(&graph.handle)))
}

// LoadByNameWithConfig is LoadByName with a JSON text; engine and device stay the operator's choice.
func LoadByNameWithConfig(name, json string) (*Graph, error) {
	graph := new(Graph)
	code := nnLoadByNameWithConfig(chars(name), uint32(len(name)), chars(json), uint32(len(json)),
		unsafe.Pointer(&graph.handle))
	return graph, nnCheck(code)
}

// Load is a model from the function's own bytes, at most 8 parts; it needs the grant nn.load.
func Load(parts [][]byte, encoding Encoding, target Target) (*Graph, error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	builders := make([][2]uint32, len(parts))
	for i, part := range parts {
		builders[i] = [2]uint32{pin(&pinner, unsafe.SliceData(part)), uint32(len(part))}
	}
	graph := new(Graph)
	code := nnLoad(unsafe.Pointer(unsafe.SliceData(builders)), uint32(len(builders)), uint32(encoding),
		uint32(target), unsafe.Pointer(&graph.handle))
	return graph, nnCheck(code)
}

// Context is a context to run the model in.
func (g *Graph) Context() (*Context, error) {
	context := new(Context)
	return context, nnCheck(nnInitExecutionContext(g.handle, unsafe.Pointer(&context.handle)))
}

// Unload lets go of the model; its contexts live on.
func (g *Graph) Unload() error { return nnCheck(nnUnload(g.handle)) }

// SetInput sets an input by its number.
func SetInput[T Element](c *Context, index uint32, dims []uint32, data []T) error {
	return withTensor(dims, data, func(tensor unsafe.Pointer) uint32 {
		return nnSetInput(c.handle, index, tensor)
	})
}

// SetInputByName sets an input by its name.
func SetInputByName[T Element](c *Context, name string, dims []uint32, data []T) error {
	return withTensor(dims, data, func(tensor unsafe.Pointer) uint32 {
		return nnSetInputByString(c.handle, chars(name), uint32(len(name)), tensor)
	})
}

// Compute runs the model on the inputs that were set.
func (c *Context) Compute() error { return nnCheck(nnCompute(c.handle)) }

// GetOutput copies an output; the part of out that was filled.
func GetOutput[T Element](c *Context, index uint32, out []T) ([]T, error) {
	return filled(out, func(ptr unsafe.Pointer, size uint32, written unsafe.Pointer) uint32 {
		return nnGetOutput(c.handle, index, ptr, size, written)
	})
}

// GetOutputByName copies an output by its name.
func GetOutputByName[T Element](c *Context, name string, out []T) ([]T, error) {
	return filled(out, func(ptr unsafe.Pointer, size uint32, written unsafe.Pointer) uint32 {
		return nnGetOutputByString(c.handle, chars(name), uint32(len(name)), ptr, size, written)
	})
}

// ComputeSingle is for models that answer piece by piece; here one inference is one piece.
func (c *Context) ComputeSingle() error { return nnCheck(nnComputeSingle(c.handle)) }

// GetOutputSingle is GetOutput after ComputeSingle.
func GetOutputSingle[T Element](c *Context, index uint32, out []T) ([]T, error) {
	return filled(out, func(ptr unsafe.Pointer, size uint32, written unsafe.Pointer) uint32 {
		return nnGetOutputSingle(c.handle, index, ptr, size, written)
	})
}

// FiniSingle forgets the last outputs.
func (c *Context) FiniSingle() error { return nnCheck(nnFiniSingle(c.handle)) }

// Close lets go of the context.
func (c *Context) Close() error { return nnCheck(nnFinalizeExecutionContext(c.handle)) }

// withTensor lays a tensor out as wasi-nn has it: five u32. What its pointers point to is pinned, as they are numbers
// that the garbage collector does not see.
func withTensor[T Element](dims []uint32, data []T, call func(unsafe.Pointer) uint32) error {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	_, size := bytesOf(data)
	tensor := &[5]uint32{
		pin(&pinner, unsafe.SliceData(dims)), uint32(len(dims)), dtypeOf[T](),
		pin(&pinner, unsafe.SliceData(data)), size,
	}
	return nnCheck(call(unsafe.Pointer(tensor)))
}

func filled[T Element](out []T, call func(unsafe.Pointer, uint32, unsafe.Pointer) uint32) ([]T, error) {
	var one T
	ptr, size := bytesOf(out)
	written := new(uint32)
	if err := nnCheck(call(ptr, size, unsafe.Pointer(written))); err != nil {
		return nil, err
	}
	return out[:*written/uint32(unsafe.Sizeof(one))], nil
}

func pin[T any](pinner *runtime.Pinner, value *T) uint32 {
	if value == nil {
		return 0
	}
	pinner.Pin(value)
	return uint32(uintptr(unsafe.Pointer(value)))
}

func nnCheck(code uint32) error {
	if code == 0 {
		return nil
	}
	return NNError(code)
}
