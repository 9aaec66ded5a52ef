package storage

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// LUKS is what the header of an encrypted volume says of who can open it. No
// key, salt, digest or ciphertext is kept.
type LUKS struct {
	Version int
	// Cipher is the cipher of the data ("aes-xts-plain64").
	Cipher string
	// Slots are the key slots in use.
	Slots  []LUKSSlot
	Tokens []LUKSToken
	// Requirements are features that cryptsetup must know, as an encryption that
	// is under way.
	Requirements []string
}

// LUKSSlot is a key slot in use.
type LUKSSlot struct {
	ID string
	// KDF is how the key is derived ("argon2id", "pbkdf2").
	KDF string
}

// LUKSToken says how something opens key slots without anybody's typing.
type LUKSToken struct {
	// Type is "systemd-tpm2", "systemd-fido2", "systemd-pkcs11",
	// "systemd-recovery", "clevis" or another.
	Type  string
	Slots []string
	// Pins are clevis's ways ("tpm2", "tang", "sss"); "?" where they are not to be
	// had.
	Pins []string
}

// ErrNoLUKS says that the volume does not begin with a header of LUKS.
var ErrNoLUKS = errors.New("no LUKS header")

const (
	luksHeader    = 4096
	maxLUKSHeader = 4 << 20 // LUKS2 On-Disk Format 1.1.1, section 2.1
)

// ReadLUKS reads the header of the volume in r, of size bytes: the first one,
// or LUKS2's second one where the first is damaged.
func ReadLUKS(r io.ReaderAt, size int64) (LUKS, error) {
	for _, at := range []int64{0, 16 << 10} { // cryptsetup's place of the second header
		b := make([]byte, luksHeader)
		if at+luksHeader > size {
			break
		}
		if n, err := r.ReadAt(b, at); n < len(b) {
			return LUKS{}, fmt.Errorf("luks: header at byte %d: %w", at, err)
		}
		switch {
		case at == 0 && bytes.HasPrefix(b, []byte("LUKS\xba\xbe\x00\x01")):
			return readLUKS1(r, b, size), nil
		case at == 0 && bytes.HasPrefix(b, []byte("LUKS\xba\xbe\x00\x02")), at > 0 && bytes.HasPrefix(b, []byte("SKUL\xba\xbe\x00\x02")):
			l, err := readLUKS2(r, b, at, size)
			if err != nil && at == 0 {
				continue
			}
			return l, err
		}
	}
	return LUKS{}, ErrNoLUKS
}

// readLUKS1 reads a header of version 1: eight key slots of 48 bytes from 208
// on, the first word of which tells whether they are in use (LUKS1 On-Disk
// Format 1.2.3, figures 1 and 2).
func readLUKS1(r io.ReaderAt, b []byte, size int64) LUKS {
	l := LUKS{Version: 1, Cipher: word(b[8:40]) + "-" + word(b[40:72])}
	const active = 0x00AC71F3
	for i := range 8 {
		if binary.BigEndian.Uint32(b[208+48*i:]) == active {
			l.Slots = append(l.Slots, LUKSSlot{fmt.Sprint(i), "pbkdf2"})
		}
	}
	payload := int64(binary.BigEndian.Uint32(b[104:])) * 512
	if t, ok := luksMeta(r, min(payload, size, maxLUKSHeader)); ok {
		l.Tokens = append(l.Tokens, t)
	}
	return l
}

// luksMeta looks for what clevis keeps beside a LUKS1 header: luksmeta's block
// at a multiple of 4096 behind the key slots, with eight slots of 32 bytes from
// 16 on: UUID, offset, length, checksum.
func luksMeta(r io.ReaderAt, end int64) (LUKSToken, bool) {
	clevis := []byte{0xcb, 0x6e, 0x89, 0x04, 0x81, 0xff, 0x40, 0xda, 0xa8, 0x4a, 0x07, 0xab, 0x9a, 0xb5, 0x71, 0x5e}
	for at := int64(4096); at+4096 <= end; at += 4096 {
		b := make([]byte, 4096)
		if n, err := r.ReadAt(b, at); n < len(b) || err != nil && err != io.EOF {
			return LUKSToken{}, false
		}
		if !bytes.HasPrefix(b, []byte("LUKSMETA")) {
			continue
		}
		t := LUKSToken{Type: "clevis", Pins: []string{"?"}}
		for i := range 8 {
			if bytes.Equal(b[16+32*i:32+32*i], clevis) {
				t.Slots = append(t.Slots, fmt.Sprint(i))
			}
		}
		return t, len(t.Slots) > 0
	}
	return LUKSToken{}, false
}

// luksJSON is the part of LUKS2's JSON that is wanted (LUKS2 On-Disk Format
// 1.1.1, section 3). Salts, digests and key areas have no field here.
type luksJSON struct {
	Keyslots map[string]struct {
		Type string `json:"type"`
		KDF  struct {
			Type string `json:"type"`
		} `json:"kdf"`
	} `json:"keyslots"`
	Tokens map[string]struct {
		Type     string          `json:"type"`
		Keyslots []string        `json:"keyslots"`
		JWE      json.RawMessage `json:"jwe"`
	} `json:"tokens"`
	Segments map[string]struct {
		Encryption string `json:"encryption"`
	} `json:"segments"`
	Config struct {
		Requirements struct {
			Mandatory []string `json:"mandatory"`
		} `json:"requirements"`
	} `json:"config"`
}

func readLUKS2(r io.ReaderAt, b []byte, at, size int64) (LUKS, error) {
	n := binary.BigEndian.Uint64(b[8:])
	if n <= luksHeader || n > maxLUKSHeader || int64(n) > size-at {
		return LUKS{}, fmt.Errorf("luks: the header at byte %d says that it has %d bytes", at, n)
	}
	text := make([]byte, n-luksHeader)
	if k, err := r.ReadAt(text, at+luksHeader); k < len(text) {
		return LUKS{}, fmt.Errorf("luks: header at byte %d: %w", at, err)
	}
	text, _, _ = bytes.Cut(text, []byte{0})
	var doc luksJSON
	if err := json.Unmarshal(text, &doc); err != nil {
		return LUKS{}, fmt.Errorf("luks: the header at byte %d holds no JSON that can be read", at)
	}
	l := LUKS{Version: 2, Requirements: doc.Config.Requirements.Mandatory}
	for _, id := range slices.Sorted(maps.Keys(doc.Keyslots)) {
		// A slot of the type reencrypt belongs to an encryption that is under way.
		if k := doc.Keyslots[id]; k.Type == "luks2" && len(l.Slots) < 64 {
			l.Slots = append(l.Slots, LUKSSlot{id, k.KDF.Type})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(doc.Segments)) {
		if l.Cipher == "" {
			l.Cipher = doc.Segments[id].Encryption
		}
	}
	for _, id := range slices.Sorted(maps.Keys(doc.Tokens)) {
		t := doc.Tokens[id]
		x := LUKSToken{Type: t.Type, Slots: t.Keyslots}
		if t.Type == "clevis" {
			x.Pins = clevisPins(t.JWE)
		}
		if len(l.Tokens) < 64 {
			l.Tokens = append(l.Tokens, x)
		}
	}
	return l, nil
}

// clevisPins reads which pins a token of clevis binds to. They are in the
// protected header of its JSON Web Encryption, which is public.
func clevisPins(jwe json.RawMessage) []string {
	var obj struct {
		Protected string `json:"protected"`
	}
	var compact string
	if json.Unmarshal(jwe, &obj) != nil || obj.Protected == "" {
		if json.Unmarshal(jwe, &compact) != nil {
			return []string{"?"}
		}
		obj.Protected, _, _ = strings.Cut(compact, ".")
	}
	seen := map[string]bool{}
	pinsOf(obj.Protected, 0, seen)
	if len(seen) == 0 {
		return []string{"?"}
	}
	return slices.Sorted(maps.Keys(seen))
}

// pinsOf reads one protected header, and those that the pin sss shares a secret
// over.
func pinsOf(protected string, depth int, seen map[string]bool) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(protected, "="))
	if err != nil || depth > 4 || len(seen) > 16 {
		return
	}
	var h struct {
		Clevis struct {
			Pin string `json:"pin"`
			SSS struct {
				JWE []string `json:"jwe"`
			} `json:"sss"`
		} `json:"clevis"`
	}
	if json.Unmarshal(raw, &h) != nil || h.Clevis.Pin == "" {
		return
	}
	seen[h.Clevis.Pin] = true
	for i, j := range h.Clevis.SSS.JWE {
		if i == 16 {
			return
		}
		head, _, _ := strings.Cut(j, ".")
		pinsOf(head, depth+1, seen)
	}
}

// Typed are the slots that no token opens: a passphrase or a key file does.
// A recovery key is typed, too.
func (l LUKS) Typed() (slots []string) {
	for _, s := range l.Slots {
		if !slices.ContainsFunc(l.Tokens, func(t LUKSToken) bool { return t.Type != "systemd-recovery" && slices.Contains(t.Slots, s.ID) }) {
			slots = append(slots, s.ID)
		}
	}
	return slots
}

func word(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return strings.ToValidUTF8(string(s), "?")
}
