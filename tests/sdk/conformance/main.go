// Calls every host function once and reports what it said, line by line.
package main

import (
	"errors"
	"fmt"
	"strings"

	"weft"
)

var report strings.Builder

func main() {}

//go:wasmexport weft_handle
func weftHandle() int32 {
	report.Reset()
	if weft.Config("panic", "") != "" {
		panic("it gave up")
	}
	if err := errors.Join(frame(), state(), picture(), inference()); err != nil {
		return weft.Status(err)
	}
	weft.Log(weft.LevelInfo, "all called, %d bytes", report.Len())
	return weft.Status(weft.Emit("report", "text/plain", []byte(report.String())))
}

func say(format string, args ...any) { fmt.Fprintf(&report, format+"\n", args...) }

func or(text string, err error) string {
	if errors.Is(err, weft.ErrNotFound) {
		return "none"
	}
	return text
}

func frame() error {
	head := make([]byte, 3)
	say("size=%d", weft.FrameSize())
	_, err := weft.FrameRead(head, 1)
	say("head=%s", head)
	payload, err2 := weft.FramePayload()
	say("payload=%d", len(payload))
	stream, err3 := weft.FrameStream()
	media, err4 := weft.FrameMediaType()
	say("stream=%s\nmedia=%s", stream, media)
	say("header=%s", or(weft.FrameHeader("colour")))
	say("long=%d", len(or(weft.FrameHeader("long"))))
	say("missing-header=%s", or(weft.FrameHeader("smell")))
	say("sequence=%d\ntime=%d", weft.FrameSequence(), weft.FrameTime())
	say("config=%s", or(weft.ConfigGet("mode")))
	say("missing-config=%s", weft.Config("nothing", "none"))
	return errors.Join(err, err2, err3, err4)
}

func stored(key string) string {
	value, err := weft.StateGet(key)
	return or(string(value), err)
}

func state() error {
	say("state=%s", stored("kept"))
	err := errors.Join(weft.StatePut("kept", []byte("abc")), weft.StatePut("long", make([]byte, 700)))
	say("stored=%s", stored("kept"))
	say("long-state=%d", len(stored("long")))
	deleted, deleted2 := weft.StateDelete("kept"), weft.StateDelete("long")
	say("deleted=%d,%d", one(deleted == nil), one(deleted2 == nil))
	again := weft.StateDelete("kept")
	say("again=%d", one(!errors.Is(again, weft.ErrNotFound)))
	large := weft.StatePut("kept", make([]byte, 5000))
	say("large=%d", one(errors.Is(large, weft.ErrTooLarge)))
	return err
}

func picture() error {
	width, height, err := weft.ImageSize()
	say("picture=%dx%d", width, height)
	grey, sum := make([]byte, 16), 0
	err2 := weft.ImageRead(4, 4, weft.Gray8, grey)
	for _, value := range grey {
		sum += int(value)
	}
	say("grey=%d", sum)
	raw, normal := make([]uint8, 12), make([]float32, 12)
	half := [3]float32{0.5, 0.5, 0.5}
	err3 := weft.ImageTensor(2, 2, weft.NHWC, nil, raw)
	err4 := weft.ImageTensor(2, 2, weft.NCHW, &weft.Norm{Mean: half, Std: half}, normal)
	say("tensor=%d,%d", raw[0], int(normal[0]*100))
	return errors.Join(err, err2, err3, err4)
}

func inference() error {
	values, out := []float32{1, 2, 3, 4}, make([]float32, 8)
	graph, err := weft.LoadByName("net")
	if err != nil {
		return err
	}
	context, err := graph.Context()
	if err != nil {
		return err
	}
	err = errors.Join(weft.SetInput(context, 0, []uint32{4}, values), context.Compute())
	got, err2 := weft.GetOutput(context, 0, out)
	say("output=%d,%d", len(got), int(out[3]))
	err3 := errors.Join(weft.SetInputByName(context, "x", []uint32{4}, values), context.Compute())
	got, err4 := weft.GetOutputByName(context, "y", out)
	say("named=%d,%d", len(got), int(out[2]))
	err5 := context.ComputeSingle()
	got, err6 := weft.GetOutputSingle(context, 0, out)
	say("single=%d,%d", len(got), int(out[1]))
	err7 := errors.Join(context.FiniSingle(), context.Compute())
	_, small := weft.GetOutput(context, 0, out[:1])
	say("small=%d", one(errors.Is(small, weft.NNTooLarge)))
	err8 := errors.Join(context.Close(), graph.Unload())
	return errors.Join(err, err2, err3, err4, err5, err6, err7, err8, others())
}

func others() error {
	graph, err := weft.LoadByNameWithConfig("whole", "{}")
	if err != nil {
		return err
	}
	context, err := graph.Context()
	if err != nil {
		return err
	}
	err = errors.Join(weft.SetInput(context, 0, []uint32{2}, []int64{5, -6}), context.Compute())
	whole, err2 := weft.GetOutput(context, 0, make([]int64, 2))
	say("whole=%d,%d", len(whole), whole[1])
	_, bytes := weft.Load([][]byte{[]byte("no model")}, weft.ONNX, weft.CPU)
	say("bytes=%d", one(errors.Is(bytes, weft.NNInvalidEncoding)))
	_, unknown := weft.LoadByName("nothing")
	say("unknown=%d", one(errors.Is(unknown, weft.NNNotFound)))
	return errors.Join(err, err2)
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
