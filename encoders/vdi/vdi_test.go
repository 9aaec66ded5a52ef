package vdi_test

import (
	"testing"

	"migimg/encoders/encodertest"
	"migimg/encoders/vdi"
)

func TestConformance(t *testing.T) { encodertest.Run(t, vdi.Encoder{}) }
