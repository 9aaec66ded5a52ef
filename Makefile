# migimg: `make help` lists what there is to do. Everything that is made goes to
# build/. Needs Go 1.26; the rest is installed by testdata/install.sh (Debian, Ubuntu).

export PATH := $(PATH):/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin:$(CURDIR)/build/bin
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

GIT := git -c safe.directory=$(CURDIR)
VERSION ?= $(shell $(GIT) describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT ?= $(shell $(GIT) rev-parse HEAD 2>/dev/null)
DATE ?= $(shell TZ=UTC $(GIT) log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null)
FUZZTIME ?= 30s
PKG ?= ./...

.PHONY: vulncheck scorecard scorecard-long help build man demo test mutations test-unit test-integration test-fleet test-docs golden fuzz bench bench-compress bench-s3 bench-maps bench-tracker bench-merge bench-verify bench-stall torture boots matrix look docs dist packages-test lint clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the program: build/migimg (static)
	@mkdir -p build
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)' -o build/migimg ./cmd/migimg

man: build ## the man page and completions: build/migimg.8, build/migimg.bash, .zsh and .fish
	build/migimg generate man >build/migimg.8
	build/migimg generate bash >build/migimg.bash
	build/migimg generate zsh >build/migimg.zsh
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

test-docs: ## every command of the pages that can be run, and their transcripts
	testdata/install.sh test demo
	MIGIMG_CI=1 go test -tags integration -count=1 -v -timeout 30m -run '^TestDocs' ./cmd/migimg

golden: ## write the golden texts of plans and reports and the pages of the targets anew; look at git diff afterwards
	MIGIMG_UPDATE_GOLDEN=1 go test -count=1 ./encoders/...
	MIGIMG_UPDATE_GOLDEN=1 go test -count=1 -run '^TestGolden$$' ./preflight
	MIGIMG_UPDATE_GOLDEN=1 go test -count=1 ./preflight/render # of the reports that are written by the line before
	MIGIMG_UPDATE_GOLDEN=1 go test -count=1 -run TestTargetsPages ./cmd/migimg

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

bench-merge: ## merging the reports of HOSTS=5000 hosts: time, memory, and the sizes of page, CSV and JSON (TARGETS="2 22" in each)
	testdata/bench-merge.sh

bench-verify: build ## verifying warm copies of each format against sha256sum of the same files (ROUNDS=5 DEST=/dev/shm)
	testdata/install.sh bench
	testdata/bench-verify.sh

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

scorecard: ## the suites of docs/reliability.md and their table (SUITE="punch kill" for some)
	testdata/install.sh test demo
	testdata/scorecard.sh $(SUITE)

scorecard-long: ## the same with the parts that take hours (SUITE=torture)
	testdata/install.sh test demo torture boots bench
	testdata/scorecard.sh --long $(SUITE)

test-%: ## one suite of the scorecard: make test-punch
	testdata/install.sh test demo
	testdata/scorecard.sh $*

look: ## pictures of report.html in Chromium, to be looked at: build/look
	testdata/look.sh

docs: ## the pages as a site with a search, by Sphinx: build/docs/index.html
	testdata/install.sh docs
	MIGIMG_VERSION=$(VERSION) testdata/docs.sh

dist: ## deb, rpm, apk and tarballs for amd64 and arm64, their bill of materials and sums: build/dist
	testdata/install.sh dist
	packaging/dist.sh

packages-test: ## what make dist makes, installed in Debian 11, 12 and 13, mounting by units and fstab there, removed (SUITES=bookworm PACKAGES_IN=containers)
	testdata/install.sh dist
	MIGIMG_CI=1 go test -tags integration,dist -count=1 -v ./packaging
	PACKAGES_IN=$(PACKAGES_IN) packaging/tests/packages.sh $(SUITES)

lint: ## gofmt, go vet, staticcheck, golangci-lint, shellcheck, file sizes
	testdata/install.sh lint
	testdata/lint.sh

vulncheck: ## known vulnerabilities in what is called (asks vuln.go.dev)
	go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

clean: ## forget build/ (the built disks, too)
	rm -rf build
