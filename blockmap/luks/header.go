package luks

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"strings"

	"migimg/blockmap"
)

// Both versions begin with a magic and a version of 16 bits; integers are
// big-endian (LUKS1 On-Disk Format Specification 1.2.3, figure 1; LUKS2 On-Disk
// Format Specification 1.1.1, section 2.1):
//
//	LUKS1                          LUKS2
//	0    "LUKS\xba\xbe"            0    "LUKS\xba\xbe", second header "SKUL\xba\xbe"
//	6    version                   6    version
//	8    cipher, 32 bytes          8    size of header and JSON, 64 bits
//	40   mode, 32 bytes            16   sequence number, 64 bits
//	72   hash, 32 bytes            24   label, 48 bytes
//	108  bytes of the key          72   checksum's algorithm, 32 bytes
//	168  UUID, 40 bytes            168  UUID, 40 bytes
//	                               208  subsystem, 48 bytes
//	                               256  where the header lies, 64 bits
//	                               448  checksum, 64 bytes, of all with zeros here
//	                               4096 JSON
const (
	magic1    = "LUKS\xba\xbe"
	magic2    = "SKUL\xba\xbe"
	headerLen = 4096
	// secondAt is where cryptsetup puts the second header by default.
	secondAt = 16 << 10
	// maxHeader is the largest size that the specification has.
	maxHeader = 4 << 20
)

// header is the binary header at byte at.
type header struct {
	b      []byte
	at     int64
	second bool
}

func (h *header) version() uint16 { return binary.BigEndian.Uint16(h.b[6:]) }

func (h *header) str(off, n int) string {
	s, _, _ := strings.Cut(string(h.b[off:off+n]), "\x00")
	return strings.ToValidUTF8(s, "\ufffd")
}

// find reads the first header, or the second one where only that is left.
func find(v blockmap.Volume) (*header, error) {
	h := &header{b: make([]byte, headerLen)}
	for _, p := range []struct {
		at    int64
		magic string
	}{{0, magic1}, {secondAt, magic2}} {
		if v.Size() < p.at+headerLen {
			break
		}
		if err := readFull(v, h.b, p.at); err != nil {
			return nil, err
		}
		h.at, h.second = p.at, p.at > 0
		if bytes.HasPrefix(h.b, []byte(p.magic)) {
			return h, nil
		}
	}
	return nil, blockmap.ErrNotMine
}

// read1 reports a header of LUKS1.
func (h *header) read1(r *blockmap.Report) {
	r.UUID = h.str(168, 40)
	r.Features = []string{"LUKS1", h.str(8, 32) + "-" + h.str(40, 32), h.str(72, 32), fmt.Sprintf("%d bits", 8*uint64(binary.BigEndian.Uint32(h.b[108:])))}
}

// read2 reports a header of LUKS2, and whether its checksum is right.
func (h *header) read2(v blockmap.Volume, r *blockmap.Report) error {
	r.UUID, r.Label = h.str(168, 40), h.str(24, 48)
	r.Features = []string{"LUKS2"}
	if s := h.str(208, 48); s != "" {
		r.Features = append(r.Features, "subsystem="+s)
	}
	size := binary.BigEndian.Uint64(h.b[8:])
	if h.version() != 2 || size <= headerLen || size > maxHeader || int64(size) > v.Size()-h.at || binary.BigEndian.Uint64(h.b[256:]) != uint64(h.at) {
		r.Warnings = append(r.Warnings, "the LUKS2 header's size or place is wrong: see cryptsetup repair")
		return nil
	}
	all := make([]byte, size)
	if err := readFull(v, all, h.at); err != nil {
		return err
	}
	if why := checksum(all, h.str(72, 32)); why != "" {
		r.Warnings = append(r.Warnings, "the LUKS2 header "+why+": see cryptsetup repair")
		return nil
	}
	r.Features = append(r.Features, segments(all[headerLen:])...)
	return nil
}

// checksum says what is wrong with the checksum of a header and its JSON.
func checksum(all []byte, algorithm string) string {
	var sum hash.Hash
	switch algorithm {
	case "sha256":
		sum = sha256.New()
	case "sha512":
		sum = sha512.New()
	default:
		return fmt.Sprintf("has a checksum of the kind %q, which is not known", algorithm)
	}
	const at, n = 448, 64
	sum.Write(all[:at])
	sum.Write(make([]byte, n))
	sum.Write(all[at+n:])
	if !bytes.HasPrefix(all[at:at+n], sum.Sum(nil)) {
		return "has a wrong checksum"
	}
	return ""
}

// segments are the words for what the JSON says of the encrypted segments and of
// requirements, as an encryption that is under way (specification, sections 3.2
// and 3.5).
func segments(b []byte) (words []string) {
	b, _, _ = bytes.Cut(b, []byte{0})
	var doc struct {
		Segments map[string]struct {
			Encryption string `json:"encryption"`
			SectorSize int64  `json:"sector_size"`
		} `json:"segments"`
		Config struct {
			Requirements struct {
				Mandatory []string `json:"mandatory"`
			} `json:"requirements"`
		} `json:"config"`
	}
	if json.Unmarshal(b, &doc) != nil {
		return nil
	}
	const most = 16
	for _, s := range doc.Segments {
		if w := fmt.Sprintf("%s, sectors of %d", s.Encryption, s.SectorSize); len(words) < most && s.Encryption != "" && !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	slices.Sort(words)
	for _, m := range doc.Config.Requirements.Mandatory {
		if len(words) < 2*most {
			words = append(words, "requires "+m)
		}
	}
	return words
}
