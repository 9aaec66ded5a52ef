# migimg: `make help` lists what there is to do. Everything that is made goes to
# build/. Needs Go 1.26; the rest is installed by testdata/install.sh (Debian, Ubuntu).

export PATH := $(PATH):/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VERSION ?= $(shell git -c safe.directory=$(CURDIR) describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME ?= 30s
PKG ?= ./...

.PHONY: help build man demo test mutations test-unit test-integration test-fleet golden fuzz bench bench-compress bench-s3 bench-maps bench-tracker bench-stall torture boots matrix look lint clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the program: build/migimg (static)
	@mkdir -p build
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o build/migimg ./cmd/migimg

man: build ## the man page and completions: build/migimg.8, build/migimg.bash, build/migimg.fish
	build/migimg generate man >build/migimg.8
	build/migimg generate bash >build/migimg.bash
	build/migimg generate fish >build/migimg.fish

demo: build ## a small disk with an OS on it: mount, copy as four formats, check, verify (DEMO_BOOT=1 boots the copy)
	testdata/install.sh demo
	testdata/demo.sh

test: ## everything below, as root; a skipped test is a failure
	testdata/install.sh test demo
	testdata/gotest.sh unit $(PKG)
	testdata/gotest.sh integration $(PKG)

test-unit: ## seconds, no root, no programs
	testdata/gotest.sh unit $(PKG)

test-integration: ## real disks and second readers, as root (PKG=./blockmap/... for a part)
	testdata/install.sh test demo
	testdata/gotest.sh integration $(PKG)

test-fleet: ## six servers in namespaces, exported by the Ansible collection to an S3 server; one loses its power
	testdata/install.sh test fleet
	testdata/gotest.sh fleet ./packaging/ansible

golden: ## write the golden texts of plans and maps and the page of the targets anew; look at git diff afterwards
	MIGIMG_UPDATE_GOLDEN=1 go test -count=1 ./encoders/...
	MIGIMG_UPDATE_GOLDEN=1 go test -count=1 -run TestTargetsPage ./cmd/migimg

fuzz: ## every fuzz target, FUZZTIME each (30s)
	testdata/fuzz.sh $(FUZZTIME) $(PKG)

bench: build ## against cp, qemu-img and xmount: ROUNDS=5 DEST=/dev/shm (testdata/bench.sh says more)
	testdata/install.sh bench
	testdata/bench.sh

bench-compress: build ## compressed images of the demo disk against qemu-img convert -c (ROUNDS=3)
	testdata/install.sh bench demo
	testdata/bench-compress.sh

bench-maps: build ## mapping 100 GiB with 200 000 files, each filesystem, against the program that reads the same
	testdata/install.sh bench test
	testdata/bench-maps.sh $(FS)

bench-s3: build ## uploading 2 GiB to an S3 server on this machine, from a mount and from a plain copy (ROUNDS=3 DEST=build)
	testdata/install.sh bench test
	testdata/bench-s3.sh

bench-tracker: ## what the write tracker costs: random writes with and without it, in turns (PAIRS=100)
	testdata/install.sh bench
	testdata/bench-tracker.sh

mutations: ## what verify and other programs find in mutated images, a thousand bits of each format (MUTATIONS=1000)
	testdata/install.sh test
	MIGIMG_MUTATIONS=$(or $(MUTATIONS),1000) go test -tags integration -v -count=1 -timeout 4h -run '^TestMutations$$' ./cmd/migimg

torture: ## copies of a filesystem that is written to in every way, by migimg, dd and qemu-img (ROUNDS=20 FILES=200000 FS=ext4)
	testdata/install.sh test torture
	go test -tags integration,torture -v -count=1 -timeout 24h -run '^TestTorture$$' ./cmd/migimg

bench-stall: ## how long writers wait while a mount takes T0, with up to FILES=1000000 files (STALLS=3 FS=xfs)
	testdata/install.sh test
	go test -tags integration,torture -v -count=1 -timeout 4h -run '^TestStall$$' ./cmd/migimg

boots: ## starts a disk by BIOS and UEFI on each bus, and broken ones, in QEMU, and prints the tables of docs/verify.md
	testdata/install.sh test demo boots
	testdata/boots.sh

matrix: ## what is carried against what is used, per filesystem, variant and fill, in Markdown (FS="ext4 xfs" for a part)
	testdata/install.sh test
	testdata/matrix.sh $(FS)

look: ## pictures of report.html in Chromium, to be looked at: build/look
	testdata/look.sh

lint: ## gofmt, go vet, staticcheck, golangci-lint, shellcheck, file sizes, import directions
	testdata/install.sh lint
	testdata/lint.sh

clean: ## forget build/ (the built disks, too)
	rm -rf build
