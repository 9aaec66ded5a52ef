package xfs

import (
	"testing"
)

func TestCleanLog(t *testing.T) {
	last := flat().logSize() - 1
	for _, c := range []struct {
		name string
		do   func(s *synth)
	}{
		{"as made", func(*synth) {}},
		{"first lap", func(s *synth) { s.logClean(100, 1, 0) }},
		{"later lap", func(s *synth) { s.logClean(100, 7, 6) }},
		{"zeros in a later lap", func(s *synth) { s.logClean(100, 7, 0) }},
		{"to the very end", func(s *synth) { s.logClean(last-1, 3, 2) }},
		{"all but one block", func(s *synth) { s.logClean(last-2, 3, 2) }},
		{"the record goes round the end", func(s *synth) { s.logClean(last, 4, 3) }},
		{"the record begins the lap", func(s *synth) { s.logClean(0, 5, 4) }},
		{"filled by xfs_repair", func(s *synth) {
			s.logClean(0, 5, 4)
			for i := int64(2); i < last; i += 2 {
				s.record(i, 4, 1, 32<<10)
			}
		}},
		{"filled by xfs_repair, with zeros between", func(s *synth) {
			s.logClean(0, 5, 4)
			for i := int64(2); i < 200; i++ {
				clear(s.logAt(i))
			}
		}},
		{"a record with padding", func(s *synth) {
			s.logClean(102, 1, 0) // for the laps of 104 blocks
			clear(s.logAt(102)[:8])
			put32(s.logAt(102), 0, 1)
			clear(s.logAt(103)[opClient:])
			s.record(96, 1, 7, 32<<10)
			op := s.logAt(97)
			op[opClient], op[opFlags] = clientLog, flagUnmount
		}},
		{"eight header blocks", func(s *synth) {
			s.logClean(107, 1, 0)
			clear(s.logAt(107)[:8])
			put32(s.logAt(107), 0, 1)
			s.record(100, 1, 1, 256<<10) // header blocks are 100 to 107, as it says
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := flat()
			c.do(s)
			if _, _, why := scan(s); why != "" {
				t.Error(why)
			}
		})
	}
}

func TestDirtyLog(t *testing.T) {
	last := flat().logSize() - 1
	after := func(f func(s *synth)) func(*synth) { // with more after an unmounting
		return func(s *synth) { s.logClean(100, 7, 6); f(s) }
	}
	mustRefuse(t, flat(), true, []damage{
		{"all zeros", func(s *synth) { s.logClean(0, 0, 0); clear(s.logAt(0)) }, "the log is empty"},
		{"laps", func(s *synth) { s.logClean(100, 7, 5) }, "lap 7 and ends in lap 5"},
		{"mounted: a record after the unmounting", after(func(s *synth) {
			s.record(102, 7, 2, 32<<10)
			put32(s.logAt(103), 0, 7)
			put32(s.logAt(104), 0, 7)
		}), "is dirty"},
		{"a dummy record of one operation", after(func(s *synth) {
			s.record(102, 7, 1, 32<<10)
			put32(s.logAt(103), 0, 7)
			s.logAt(103)[opClient] = 0x69
			s.logAt(103)[opFlags] = 1
		}), "is dirty"},
		{"a record's beginning after the unmounting", after(func(s *synth) { s.record(102, 7, 1, 32<<10) }), "is dirty"},
		{"a block on its own behind", after(func(s *synth) { put32(s.logAt(300), 0, 7) }), "is dirty"},
		{"a hole before", after(func(s *synth) { put32(s.logAt(50), 0, 6) }), "is dirty"},
		{"zeros before", after(func(s *synth) { clear(s.logAt(100)); clear(s.logAt(101)) }), "no record"},
		{"zeros before, and a record in them", func(s *synth) {
			s.logClean(0, 5, 4)
			for i := int64(2); i < 200; i++ {
				clear(s.logAt(i))
			}
			put32(s.logAt(100), 0, 5)
		}, "is dirty"},
		{"a hole before the ring's beginning", after(func(s *synth) { put32(s.logAt(last-1), 0, 5) }), "is dirty"},
		{"two operations", after(func(s *synth) { put32(s.logAt(100), 40, 2) }), "is dirty"},
		{"longer than to the head", after(func(s *synth) { put32(s.logAt(100), 12, 1024) }), "is dirty"},
		{"of 2^32-1 bytes", after(func(s *synth) { put32(s.logAt(100), 12, 1<<32-1) }), "is dirty"},
		{"without data", after(func(s *synth) { put32(s.logAt(100), 12, 0) }), "is dirty"},
		{"not an unmounting", after(func(s *synth) { s.logAt(101)[opFlags] = 0 }), "is dirty"},
		{"of another client", after(func(s *synth) { s.logAt(101)[opClient] = 0x69 }), "is dirty"},
		{"buffer of 2^32-1 bytes", after(func(s *synth) { put32(s.logAt(100), 320, 1<<32-1) }), "is dirty"},
		{"of another filesystem", after(func(s *synth) { s.logAt(100)[310]++ }), "another filesystem"},
		{"of IRIX", after(func(s *synth) { clear(s.logAt(100)[304:320]) }), "another filesystem"},
		{"elsewhere", after(func(s *synth) { put64(s.logAt(100), 16, 7<<32|99) }), "not where"},
		{"of another lap", after(func(s *synth) { put64(s.logAt(100), 16, 6<<32|100) }), "not where"},
		{"no record", after(func(s *synth) {
			clear(s.logAt(100)[4:])
			put32(s.logAt(100), 0, 7)
		}), "no record"},
	})
}

// A log that is longer than what is looked at around the head.
func TestLongLog(t *testing.T) {
	s := newSynth(synthOptions{blockSize: 65536, sector: 512, perGroup: 800, blocks: 800, perBlock: 4})
	if s.logSize() <= 2*inFlight {
		t.Fatal("not long")
	}
	for _, at := range []int64{0, 1, 100, inFlight, inFlight + 1, s.logSize() - inFlight, s.logSize() - 3, s.logSize() - 2, s.logSize() - 1} {
		s.logClean(at, 9, 8)
		if _, _, why := scan(s); why != "" {
			t.Errorf("record at %d: %s", at, why)
		}
		put32(s.logAt((at+2+inFlight-1)%s.logSize()), 0, 99)
		if _, _, why := scan(s); why == "" {
			t.Errorf("record at %d: a block behind it may be of any lap", at)
		}
	}
}
