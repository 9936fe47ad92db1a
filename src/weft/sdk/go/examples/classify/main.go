// Names what is in a picture, with the model "net". Config: labels, one per line; top, how many to name (5).
package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"weft"
)

const (
	side       = 224
	maxClasses = 4096
)

type label struct {
	Label string  `json:"label"`
	Score float32 `json:"score"`
	Index int     `json:"index"`
}

var (
	model  *weft.Context
	names  []string
	top    int
	input  = make([]float32, 3*side*side)
	output = make([]float32, maxClasses)
)

func main() {}

//go:wasmexport weft_init
func weftInit() int32 { return weft.Status(setUp()) }

//go:wasmexport weft_handle
func weftHandle() int32 { return weft.Status(handle()) }

func setUp() (err error) {
	names = strings.Split(weft.Config("labels", ""), "\n")
	if top, err = strconv.Atoi(weft.Config("top", "5")); err != nil || top < 1 {
		return fmt.Errorf("config top must be 1 or more")
	}
	graph, err := weft.LoadByName("net")
	if err != nil {
		return fmt.Errorf("the model 'net': %w", err)
	}
	model, err = graph.Context()
	return err
}

func handle() error {
	if err := weft.ImageTensor(side, side, weft.NCHW, weft.ImageNet, input); err != nil {
		return err
	}
	if err := weft.SetInput(model, 0, []uint32{1, 3, side, side}, input); err != nil {
		return err
	}
	if err := model.Compute(); err != nil {
		return err
	}
	scores, err := weft.GetOutput(model, 0, output)
	if err != nil {
		return err
	}
	softmax(scores)
	return weft.EmitJSON(map[string][]label{"labels": best(scores)})
}

func softmax(scores []float32) {
	largest, sum := slices.Max(scores), float32(0)
	for i, score := range scores {
		scores[i] = float32(math.Exp(float64(score - largest)))
		sum += scores[i]
	}
	for i := range scores {
		scores[i] /= sum
	}
}

func best(scores []float32) []label {
	found := make([]label, 0, len(scores))
	for index, score := range scores {
		found = append(found, label{name(index), score, index})
	}
	slices.SortStableFunc(found, func(a, b label) int { return int(math.Copysign(1, float64(b.Score-a.Score))) })
	return found[:min(top, len(found))]
}

func name(index int) string {
	if index < len(names) && names[index] != "" {
		return strings.TrimSuffix(names[index], "\r")
	}
	return "unnamed"
}
