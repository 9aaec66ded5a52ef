package main

import (
	"slices"

	"github.com/xrash/smetrics"
)

// near is how alike two words are that one was probably meant for the other: between 0
// and 1, by Jaro and Winkler. "tencnet" and "tencent" have 0.97, "kwm" and "kvm" 0.80.
const near = 0.79

// nearest is the word that was probably meant, or "" where none is near.
func nearest(word string, words []string) string {
	like := func(a string) float64 { return smetrics.JaroWinkler(word, a, 0.7, 4) }
	if len(words) == 0 {
		return ""
	}
	best := slices.MaxFunc(words, func(a, b string) int {
		switch x, y := like(a), like(b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	if like(best) < near {
		return ""
	}
	return best
}
