package blockmap

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// plain is a Layer over bytes.
type plain struct{ *bytes.Reader }

func (p plain) ReadSpeculative(b []byte, off int64) (int, error) { return p.ReadAt(b, off) }

// arranged are places for disks of these sizes.
func arranged(sizes ...int64) (at []Place, size int64) {
	for i, n := range sizes {
		at = append(at, Place{Name: string(rune('a' + i)), Range: Range{Len: n}, SectorSize: 512 << (3 * i)})
	}
	return at, Arrange(at)
}

func TestJoin(t *testing.T) {
	at, size := arranged(70_000, 512, 3<<20+100)
	var layers []Layer
	var whole []byte
	for i, d := range at {
		b := noise(d.Len, uint64(i))
		layers = append(layers, plain{bytes.NewReader(b)})
		if d.Off%spaceAlign != 0 || d.Off < int64(len(whole)) {
			t.Fatalf("%+v", d)
		}
	}
	j := Join(at, layers)
	// Where disks and gaps meet.
	for _, d := range at {
		for _, off := range []int64{d.Off - 1000, d.Off, d.Off + 17, d.End() - 300, d.End()} {
			p := bytes.Repeat([]byte{0xee}, 2000)
			n, err := j.ReadAt(p, max(off, 0))
			off = max(off, 0)
			if want := int(max(0, min(2000, size-off))); n != want || (n < len(p)) != (err == io.EOF) {
				t.Fatalf("at %d: %d bytes, not %d, %v", off, n, want, err)
			}
			for i, got := range p[:n] {
				x, want := off+int64(i), byte(0)
				for k, d := range at {
					if x >= d.Off && x < d.End() {
						b := make([]byte, 1)
						_, _ = layers[k].ReadAt(b, x-d.Off)
						want = b[0]
					}
				}
				if got != want {
					t.Fatalf("byte %d is %#x, not %#x", x, got, want)
				}
			}
		}
	}
	p := make([]byte, 100)
	if n, err := Shift(j, at[2].Off).ReadAt(p, 50); n != 100 || err != nil || !bytes.Equal(p, noise(at[2].Len, 2)[50:150]) {
		t.Error("a shifted layer reads elsewhere", n, err)
	}
}

// TestSlice holds the maps of disks in a space against those of the disks alone.
func TestSlice(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, cluster := range []int64{4096, 64 << 10} {
		at, size := arranged(64*cluster, 5*cluster+512, 130*cluster+3*512, 512)
		space, err := newMap(size, cluster)
		if err != nil {
			t.Fatal(err)
		}
		end := int64(0)
		for _, d := range at {
			space.free(end, d.Off-end)
			end = d.End()
		}
		var alone []*Map
		for _, d := range at {
			m, err := newMap(d.Len, cluster)
			if err != nil {
				t.Fatal(err)
			}
			for range 60 {
				off := r.Int64N(d.Len/512) * 512
				n := r.Int64N(min(d.Len-off, 3*cluster)/512+1) * 512
				m.free(off, n)
				space.free(d.Off+off, n)
				if r.IntN(4) == 0 {
					m.carry(off, n/2)
					space.carry(d.Off+off, n/2)
				}
			}
			m.free(d.Len-512, 512)
			space.free(d.End()-512, 512)
			m.bits.index()
			alone = append(alone, m)
		}
		space.bits.index()
		before := space.Digest()
		for i, d := range at {
			s := space.Slice(d)
			if s.Digest() != alone[i].Digest() || s.Count() != alone[i].Count() {
				t.Errorf("disk %d: carries %v\nmust be %v", i, slices.Collect(s.Ranges(0, d.Len)), slices.Collect(alone[i].Ranges(0, d.Len)))
			}
		}
		if space.Digest() != before {
			t.Error("the space's map has changed")
		}
	}
}

// parts is an Assembler of volumes whose first byte is 'p', whose second is the thing
// that they are parts of, and whose third how many parts that has.
type parts struct {
	assemble func(parts []Part, nested func(string, Volume) error) ([]Report, error)
}

func (parts) Name() string { return "parts" }

func (parts) Probe(v Volume) error {
	if b := make([]byte, 1); ReadFull(v, b, 0) != nil || b[0] != 'p' {
		return ErrNotMine
	}
	return nil
}

func (parts) PartOf(v Volume) (string, int) {
	b := make([]byte, 3)
	_ = ReadFull(v, b, 0)
	return string(b[1]), int(b[2])
}

func (parts) Scan(_ context.Context, v Volume, k Sink) (Report, error) {
	return Report{Label: "alone"}, k.Free(v.Size()/2, v.Size()/2)
}

func (p parts) Assemble(_ context.Context, list []Part, nested func(string, Volume) error) ([]Report, error) {
	return p.assemble(list, nested)
}

// half frees the second half of volumes whose first byte is 'h'.
type half struct{}

func (half) Name() string { return "half" }

func (half) Probe(v Volume) error {
	if b := make([]byte, 1); ReadFull(v, b, 0) != nil || b[0] != 'h' {
		return ErrNotMine
	}
	return nil
}

func (half) Scan(_ context.Context, v Volume, k Sink) (Report, error) {
	return Report{}, k.Free(v.Size()/2, v.Size()/2)
}

// spaceOf scans disks in a space.
func spaceOf(t *testing.T, p parts, disks ...[]byte) (*Map, *VolumeInfo, []Place) {
	t.Helper()
	var sizes []int64
	var layers []Layer
	for _, b := range disks {
		sizes, layers = append(sizes, int64(len(b))), append(layers, plain{bytes.NewReader(b)})
	}
	at, size := arranged(sizes...)
	m, root, err := Scan(context.Background(), Bytes(Join(at, layers), size, 0), []Scanner{p, half{}}, ScanOptions{Disks: at, ClusterSize: 4096})
	if err != nil {
		t.Fatal(err)
	}
	return m, root, at
}

const meg = 1 << 20

// disk is a part of thing, which has of parts; what is in it begins at 64 KiB.
func disk(thing byte, of byte, inner byte) []byte {
	b := bytes.Repeat([]byte{1}, meg)
	copy(b, []byte{'p', thing, of})
	b[64<<10] = inner
	return b
}

// rest is what of a part lies behind its first 64 KiB.
func rest(p Part) Area { return Area{In: p.Volume, Off: 64 << 10} }

const restLen = meg - 64<<10

func TestAssembleSpace(t *testing.T) {
	joined := parts{func(list []Part, nested func(string, Volume) error) ([]Report, error) {
		var runs []Run
		for _, p := range list {
			runs = append(runs, Run{Size: restLen, Stripe: restLen, Areas: []Area{rest(p)}})
		}
		return make([]Report, len(list)), nested("all", Compose(runs))
	}}
	m, root, at := spaceOf(t, joined, disk('x', 2, 'h'), disk('y', 1, 0), disk('x', 2, 0))
	var names []string
	for v := range root.All() {
		names = append(names, v.Name)
	}
	if !slices.Equal(names, []string{"", "a", "b", "c", "all"}) || root.Children[1].Label != "alone" {
		t.Fatalf("%q %+v", names, root.Children[1])
	}
	all := root.Children[3]
	if all.Size != 2*restLen || all.Carried != restLen || all.Start != -1 {
		t.Errorf("%+v", all)
	}
	if in := slices.Collect(root.Children[0].Inside()); len(in) != 1 || in[0] != all || !root.Children[2].Container() {
		t.Errorf("%v lies in the first", in)
	}
	for i, want := range []int64{meg, meg / 2, 64 << 10} {
		if got := m.Slice(at[i]).Bytes(); got != want {
			t.Errorf("disk %d: %d bytes carried, must be %d", i, got, want)
		}
	}
	if x := root.Children[2].Alone(at[2]); x.Name != "" || x.Start != 0 || x.Carried != 64<<10 || !slices.Equal(slices.Collect(x.Device()), []Range{{0, meg}}) {
		t.Errorf("%+v", x)
	}
}

func TestAssembleMirror(t *testing.T) {
	mirror := parts{func(list []Part, nested func(string, Volume) error) ([]Report, error) {
		one := func(p Part) Volume { return Compose([]Run{{Size: restLen, Stripe: restLen, Areas: []Area{rest(p)}}}) }
		return make([]Report, 2), nested("all", Compose([]Run{{Size: restLen, Stripe: restLen, Areas: []Area{rest(list[0])}}}, one(list[1])))
	}}
	m, root, at := spaceOf(t, mirror, disk('x', 2, 'h'), disk('x', 2, 0))
	want := []Range{{0, 64<<10 + restLen/2}}
	for i := range at {
		if got := slices.Collect(m.Slice(at[i]).Ranges(0, meg)); !slices.Equal(got, want) {
			t.Errorf("disk %d: %v, must be %v", i, got, want)
		}
	}
	if c := slices.Collect(root.Children[2].Copies()); len(c) != 1 || c[0] != (Mirror{Range{64 << 10, restLen}, at[1].Off + 64<<10}) {
		t.Errorf("copies %v", c)
	}
}

// TestAssembleWhole has assemblers that free and then fail: all is carried, and what
// waited inside is not looked at.
func TestAssembleWhole(t *testing.T) {
	for name, end := range map[string]func() ([]Report, error){
		"error":      func() ([]Report, error) { return nil, ErrNotMine },
		"crash":      func() ([]Report, error) { panic("on purpose") },
		"whole":      func() ([]Report, error) { return []Report{{}, {Whole: "unsure"}}, nil },
		"no reports": func() ([]Report, error) { return nil, nil },
	} {
		p := parts{func(list []Part, nested func(string, Volume) error) ([]Report, error) {
			for _, x := range list {
				if err := x.Free(meg/2, meg/2); err != nil {
					return nil, err
				}
				if err := x.Nested("in", Compose([]Run{{Size: restLen, Stripe: restLen, Areas: []Area{rest(x)}}})); err != nil {
					return nil, err
				}
			}
			if err := nested("all", Compose([]Run{{Size: 4096, Stripe: 4096, Areas: []Area{rest(list[0])}}})); err != nil {
				return nil, err
			}
			return end()
		}}
		m, root, _ := spaceOf(t, p, disk('x', 2, 'h'), disk('x', 2, 'p'))
		if m.Bytes() != 2*meg || len(root.Children) != 2 {
			t.Errorf("%s: %d bytes carried, %d children", name, m.Bytes(), len(root.Children))
		}
		for _, v := range root.Children {
			if v.Whole == "" || v.Container() || v.Type != "parts" {
				t.Errorf("%s: %+v", name, v)
			}
		}
	}
}
