package vhdx_test

import (
	"testing"

	"migimg/encoders/encodertest"
	"migimg/encoders/vhdx"
	decoder "migimg/verify/vhdx"
)

func TestConformance(t *testing.T) { encodertest.Run(t, vhdx.Encoder{}) }
func TestReadBack(t *testing.T) {
	encodertest.ReadBack(t, vhdx.Encoder{}, encodertest.Decoded("disk.vhdx", decoder.Open))
}
