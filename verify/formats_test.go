package verify

import (
	"bytes"

	"migimg/verify/internal/build"
)

// format is one kind of image for the tests that all kinds must pass.
type format struct {
	name, format string
	unit         int // bytes of a cluster, block or grain
	make         func(disk []byte, used []int) build.Image
	sector       int // bytes; 0 is 512
}

const diskSize = 200 << 10

// size is diskSize, or that of a disk with a few units.
func (f format) size() int {
	if f.unit < 1<<20 {
		return diskSize
	}
	return 5 * f.unit
}

var formats = []format{
	{"qcow2", QCOW2, 512, func(d []byte, u []int) build.Image { return build.QCOW2(d, u, 9) }, 0},
	{"qcow2-4k", QCOW2, 4096, func(d []byte, u []int) build.Image { return build.QCOW2(d, u, 12) }, 0},
	{"vhd", VHD, 4096, func(d []byte, u []int) build.Image { return build.VHD(d, u, 4096) }, 0},
	{"vhd-16k", VHD, 16384, func(d []byte, u []int) build.Image { return build.VHD(d, u, 16384) }, 0},
	{"vhd-fixed", VHD, 512, func(d []byte, u []int) build.Image { return build.VHDFixed(d) }, 0},
	{"vmdk-stream", VMDK, 4096, func(d []byte, u []int) build.Image { return build.VMDKStream(d, u, 4096, "disk.vmdk") }, 0},
	{"vmdk-sparse", VMDK, 4096, func(d []byte, u []int) build.Image { return build.VMDKSparse(d, u, 4096, "disk.vmdk") }, 0},
	{"vhdx", VHDX, 1 << 20, func(d []byte, u []int) build.Image { return build.VHDX(d, u, build.VHDXOptions{}) }, 0},
	{"vhdx-2M-4k", VHDX, 2 << 20, func(d []byte, u []int) build.Image {
		return build.VHDX(d, u, build.VHDXOptions{Block: 2 << 20, Sector: 4096})
	}, 4096},
	{"vhdx-fixed", VHDX, 1 << 20, func(d []byte, u []int) build.Image { return build.VHDX(d, u, build.VHDXOptions{Fixed: true}) }, 0},
	{"vdi", VDI, 1 << 20, func(d []byte, u []int) build.Image { return build.VDI(d, u, 1<<20, false) }, 0},
	{"vdi-fixed", VDI, 1 << 20, func(d []byte, u []int) build.Image { return build.VDI(d, u, 1<<20, true) }, 0},
	{"gzip", RawGzip, 4096, func(d []byte, u []int) build.Image { return build.Gzip(d, 0) }, 0},
	{"gzip-flushed", RawGzip, 4096, func(d []byte, u []int) build.Image { return build.Gzip(d, 4096) }, 0},
	{"zstd", RawZstd, 4096, func(d []byte, u []int) build.Image { return build.Zstd(d, 0, true) }, 0},
	{"zstd-frames", RawZstd, 4096, func(d []byte, u []int) build.Image { return build.Zstd(d, 8192, false) }, 0},
	{"zstd-plain", RawZstd, 4096, func(d []byte, u []int) build.Image { return build.ZstdPlain(d) }, 0},
	{"tar", Tar, 4096, func(d []byte, u []int) build.Image { return build.Tar(d) }, 0},
	{"tar-sparse", Tar, 4096, func(d []byte, u []int) build.Image { return build.TarSparse(d, u, 4096) }, 0},
	{"tar-gzip", TarGzip, 4096, func(d []byte, u []int) build.Image { return build.Gzip(build.TarSparse(d, u, 4096).Bytes, 0) }, 0},
	{"ova", OVA, 4096, func(d []byte, u []int) build.Image {
		return build.OVA(build.VMDKStream(d, u, 4096, "disk.vmdk"), (len(d)+4095)/4096*4096)
	}, 0},
	{"raw", Raw, 512, func(d []byte, u []int) build.Image { return build.Image{Bytes: bytes.Clone(d)} }, 0},
}
