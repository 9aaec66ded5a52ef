package vdi_test

import (
	"testing"

	"migimg/encoders/encodertest"
	"migimg/encoders/vdi"
	decoder "migimg/verify/vdi"
)

func TestConformance(t *testing.T) { encodertest.Run(t, vdi.Encoder{}) }
func TestReadBack(t *testing.T) {
	encodertest.ReadBack(t, vdi.Encoder{}, encodertest.Decoded("disk.vdi", decoder.Open))
}
