package vhdx_test

import (
	"testing"

	"migimg/encoders/encodertest"
	"migimg/encoders/vhdx"
)

func TestConformance(t *testing.T) { encodertest.Run(t, vhdx.Encoder{}) }
