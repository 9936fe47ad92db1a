// Says whether a picture is bright or dark. Config: threshold, 0 to 1 (0.5).
package main

import (
	"errors"
	"strconv"

	"weft"
)

const side = 32

type label struct {
	Label string  `json:"label"`
	Score float64 `json:"score"`
}

var (
	threshold float64
	grey      = make([]byte, side*side)
)

func main() {}

// Called once, before the first frame.
//
//go:wasmexport weft_init
func weftInit() int32 { return weft.Status(setUp()) }

// Called for every frame. 0 is done, anything else fails the frame.
//
//go:wasmexport weft_handle
func weftHandle() int32 { return weft.Status(handle()) }

func setUp() (err error) {
	threshold, err = strconv.ParseFloat(weft.Config("threshold", "0.5"), 64)
	if err != nil || threshold <= 0 || threshold >= 1 {
		return errors.New("config threshold must be between 0 and 1")
	}
	return nil
}

func handle() error {
	if err := weft.ImageRead(side, side, weft.Gray8, grey); err != nil {
		return err
	}
	sum := 0
	for _, value := range grey {
		sum += int(value)
	}
	brightness := float64(sum) / (255 * side * side)
	found := label{"dark", 1 - brightness}
	if brightness >= threshold {
		found = label{"bright", brightness}
	}
	return weft.EmitJSON(map[string][]label{"labels": {found}})
}
