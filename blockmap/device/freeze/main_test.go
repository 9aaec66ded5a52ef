package freeze

import (
	"os"
	"testing"
)

// TestMain makes the test binary what migimg's main makes of the program: a watchdog
// where it is started as one. It is also the process that the tests kill.
func TestMain(m *testing.M) {
	Watchdog(os.Args)
	if how := os.Getenv("FREEZE_VICTIM"); how != "" {
		victim(how, os.Args[1:])
		return
	}
	os.Exit(m.Run())
}
