// Package weft has Weft's host functions and wasi-nn for Go.
//
// A function exports weft_handle, called once per frame, and may export weft_init, called once per instance. Both
// return 0 when all is well; [Status] makes that number of an error and logs it.
//
//	package main
//
//	import "weft"
//
//	func main() {}
//
//	//go:wasmexport weft_handle
//	func handle() int32 {
//		return weft.Status(weft.Emit("", "text/plain", []byte("hello")))
//	}
package weft

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// What host functions say when they fail.
var (
	ErrInvalidArgument = errors.New("an argument is wrong")
	ErrNotFound        = errors.New("not found")
	ErrTooSmall        = errors.New("the buffer is too small")
	ErrTooLarge        = errors.New("the key or value is over a limit of the state")
	ErrDenied          = errors.New("not granted")
	ErrUnsupported     = errors.New("not supported")
	ErrFailed          = errors.New("the host could not do it")
)

// Level says how much a log line matters.
type Level uint32

const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
)

// PixelFormat says how [ImageRead] writes pixels.
type PixelFormat uint32

const (
	RGB8   PixelFormat = iota // three bytes: red, green, blue
	BGR8                      // three bytes: blue, green, red
	Gray8                     // one byte
	RGB32F                    // three float32 from 0 to 1: red, green, blue
)

// Layout says how the dimensions of a picture's tensor are ordered.
type Layout uint32

const (
	NHWC Layout = iota // height, width, channels
	NCHW               // channels, height, width
)

// Float16 has the bits of a 16-bit float.
type Float16 uint16

// Element is a type tensors are made of.
type Element interface {
	Float16 | float32 | float64 | uint8 | int32 | int64
}

// Norm is what a picture's values are brought to: (rgb / 255 - Mean) / Std.
type Norm struct{ Mean, Std [3]float32 }

// ImageNet is the normalisation of models trained on ImageNet.
var ImageNet = &Norm{Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225}}

// FrameSize is how many bytes the payload has.
func FrameSize() int { return int(frameSize()) }

// FrameRead copies the payload from offset on and says how many bytes of buffer were filled.
func FrameRead(buffer []byte, offset int) (int, error) {
	return count(frameRead(unsafe.Pointer(unsafe.SliceData(buffer)), uint32(len(buffer)), uint32(offset)))
}

// FramePayload is the whole payload.
func FramePayload() ([]byte, error) {
	buffer := make([]byte, FrameSize())
	filled, err := FrameRead(buffer, 0)
	return buffer[:filled], err
}

// FrameStream is the stream's name.
func FrameStream() (string, error) { return text(frameStream) }

// FrameMediaType is the payload's media type.
func FrameMediaType() (string, error) { return text(frameMediaType) }

// FrameHeader is a header's value; [ErrNotFound] where the frame does not have it.
func FrameHeader(name string) (string, error) {
	return text(func(ptr unsafe.Pointer, size uint32) int32 {
		return frameHeader(chars(name), uint32(len(name)), ptr, size)
	})
}

// FrameSequence is the frame's number at its source.
func FrameSequence() int64 { return frameSequence() }

// FrameTime is when the source took the frame, in nanoseconds since the epoch.
func FrameTime() int64 { return frameTime() }

// ImageSize is the picture's width and height.
func ImageSize() (width, height uint32, err error) {
	size := new([2]uint32)
	err = check(imageSize(unsafe.Pointer(size)))
	return size[0], size[1], err
}

// ImageRead resizes the picture to width x height; out must have exactly the bytes the format needs.
func ImageRead(width, height uint32, format PixelFormat, out []byte) error {
	return check(imageRead(width, height, uint32(format), unsafe.Pointer(unsafe.SliceData(out)), uint32(len(out))))
}

// ImageTensor writes the picture as a model's input: width * height * 3 values of float32 or Float16 (normalised) or
// uint8 (0 to 255, norm nil).
func ImageTensor[T Element](width, height uint32, layout Layout, norm *Norm, out []T) error {
	var mean, std unsafe.Pointer
	if norm != nil {
		mean, std = unsafe.Pointer(&norm.Mean), unsafe.Pointer(&norm.Std)
	}
	ptr, size := bytesOf(out)
	return check(imageTensor(width, height, uint32(layout), dtypeOf[T](), mean, std, ptr, size))
}

// Emit emits a frame; an empty stream is the function's default output.
func Emit(stream, mediaType string, payload []byte) error {
	return check(emit(chars(stream), uint32(len(stream)), chars(mediaType), uint32(len(mediaType)),
		unsafe.Pointer(unsafe.SliceData(payload)), uint32(len(payload))))
}

// EmitJSON emits a value as JSON to the default output.
func EmitJSON(value any) error {
	document, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return Emit("", "application/json", document)
}

// ConfigGet is a value of the function's config; [ErrNotFound] where there is none.
func ConfigGet(key string) (string, error) {
	return text(func(ptr unsafe.Pointer, size uint32) int32 {
		return configGet(chars(key), uint32(len(key)), ptr, size)
	})
}

// Config is a value of the function's config, or the other value where there is none.
func Config(key, otherwise string) string {
	if value, err := ConfigGet(key); err == nil {
		return value
	}
	return otherwise
}

// StateGet is a value of the function's state; [ErrNotFound] where there is none.
func StateGet(key string) ([]byte, error) {
	return bytesFrom(func(ptr unsafe.Pointer, size uint32) int32 {
		return stateGet(chars(key), uint32(len(key)), ptr, size)
	})
}

// StatePut writes a value of the function's state: kept when the frame succeeds, thrown away when it fails.
func StatePut(key string, value []byte) error {
	return withinLimits(statePut(chars(key), uint32(len(key)), unsafe.Pointer(unsafe.SliceData(value)),
		uint32(len(value))))
}

// StateDelete deletes a value of the function's state; [ErrNotFound] where it was not there.
func StateDelete(key string) error { return withinLimits(stateDelete(chars(key), uint32(len(key)))) }

// Log writes a log line.
func Log(level Level, format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	logLine(uint32(level), chars(line), uint32(len(line)))
	runtime.KeepAlive(line)
}

// Status is 0, or 1 with the error in the log: what weft_handle and weft_init return.
func Status(err error) int32 {
	if err == nil {
		return 0
	}
	Log(LevelError, "%v", err)
	return 1
}

func check(code int32) error {
	_, err := count(code)
	return err
}

func count(code int32) (int, error) {
	if code >= 0 {
		return int(code), nil
	}
	known := []error{ErrInvalidArgument, ErrNotFound, ErrTooSmall, ErrDenied, ErrUnsupported}
	if int(-code) <= len(known) {
		return 0, known[-code-1]
	}
	return 0, ErrFailed
}

// withinLimits is check for calls that have no buffer to be too small.
func withinLimits(code int32) error {
	err := check(code)
	if err == ErrTooSmall {
		return ErrTooLarge
	}
	return err
}

func text(read func(unsafe.Pointer, uint32) int32) (string, error) {
	data, err := bytesFrom(read)
	return string(data), err
}

// bytesFrom asks with some room, then with the room that is needed.
func bytesFrom(read func(unsafe.Pointer, uint32) int32) ([]byte, error) {
	buffer := make([]byte, 256)
	length, err := count(read(unsafe.Pointer(unsafe.SliceData(buffer)), uint32(len(buffer))))
	if err == nil && length > len(buffer) {
		buffer = make([]byte, length)
		length, err = count(read(unsafe.Pointer(unsafe.SliceData(buffer)), uint32(len(buffer))))
	}
	return buffer[:min(length, len(buffer))], err
}

func chars(text string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(text)) }

func bytesOf[T Element](values []T) (unsafe.Pointer, uint32) {
	var one T
	return unsafe.Pointer(unsafe.SliceData(values)), uint32(len(values) * int(unsafe.Sizeof(one)))
}

func dtypeOf[T Element]() uint32 {
	var one T
	switch any(one).(type) {
	case Float16:
		return 0
	case float32:
		return 1
	case float64:
		return 2
	case uint8:
		return 3
	case int32:
		return 4
	default:
		return 5
	}
}
