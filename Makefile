# SPDX-License-Identifier: BSD-3-Clause
# The commands of the project. "make help" lists them.

GO ?= go
# Where "make install" copies to: DESTDIR/PREFIX.
PREFIX ?= /usr/local
DESTDIR ?=
# What "make pictures" shows.
RESULTS ?= out/latest
BIN := bin/ldlab
# Flags of "make run" and "make bench": make run ARGS="--arch x86_64 --setting integrity@boot"
ARGS ?=
# How long "make nightly" runs each fuzz target.
FUZZTIME ?= 1m
# How many rounds of each race "make nightly" runs on the kernels that must lose none.
RACES ?= 200000
# The version of axe-core, which looks at the HTML page.
AXE := 4.14.1
# The kernels of "make bases" and of "make distributions", and their settings.
BASES := stock@6.1 stock bitmap stock@7.2 bitmap@7.2 stock@debian-7.3 bitmap@debian-7.3
# Mutants of "make bases": those of every Nth call site, reason and patch. All of them
# (BASES_SAMPLE=1) take hours.
BASES_SAMPLE ?= 8
DISTRIBUTIONS := debian:6.1-cloud debian:6.12-cloud debian:7.3-cloud
# The kernels of docs/scale.md.
SCALE := $(BASES) posted kunit wide $(DISTRIBUTIONS)
LEVELS := --setting integrity@boot --setting confidentiality@boot --setting integrity@runtime --setting confidentiality@runtime
# What "make nightly" runs on the kernel wide.
WIDE := --setting none --setting integrity@boot --setting confidentiality@runtime
# The kernels of docs/variants.md.
VARIANTS := $(addprefix --kernel ,stock bitmap late force-integrity force-confidentiality nolockdown)

.PHONY: help deps testdeps build run test test-kvm nightly axe docs bases distributions variants claims scale short check bench install uninstall deb pictures clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

deps: ## install what is missing (with apt where it may, else print the command)
	@scripts/deps

testdeps: deps
	@scripts/deps test

build: deps ## build the lab itself
	@mkdir -p out
	CGO_ENABLED=0 $(GO) build -o $(BIN) ./cmd/ldlab

run: build ## build what is missing, boot everything, print the matrix; on a new machine a kernel of Debian's comes first
	@scripts/run $(ARGS)

test: build check ## run every test, real QEMU on both architectures included
	$(BIN) build --kernel bitmap >out/bitmap
	$(BIN) build --kernel stock --kernel posted --arch x86_64 >out/others
	LDLAB_REQUIRE=all \
	LDLAB_TEST_KERNEL_X86_64=$$(awk '$$2 == "x86_64" { print $$3 }' out/bitmap) \
	LDLAB_TEST_KERNEL_ARM64=$$(awk '$$2 == "arm64" { print $$3 }' out/bitmap) \
	$(GO) test -timeout 3h ./... && $(GO) test -C bench -timeout 3h ./... && GOWORK=off $(GO) test -C docs/ci/check ./...

nightly: build ## everything: all tests, every call site, every mutant, fuzzing (hours); goes on if it was interrupted: docs/nightly.md
	@GO='$(GO)' LDLAB='$(BIN)' BASES='$(BASES)' DISTRIBUTIONS='$(DISTRIBUTIONS)' LEVELS='$(LEVELS)' WIDE='$(WIDE)' VARIANTS='$(VARIANTS)' \
	FUZZTIME='$(FUZZTIME)' RACES='$(RACES)' scripts/nightly

axe: # what "make nightly" needs and "make test" does not; first, so that it does not fail after hours
	@scripts/deps nightly
	@mkdir -p out
	cd out && npm pack --silent axe-core@$(AXE) && tar xf axe-core-$(AXE).tgz package/axe.min.js

test-kvm: build testdeps ## run the lab under KVM, in emulated machines whose processors have what KVM needs (minutes)
	$(BIN) build --kernel stock --kernel debian:6.12-cloud >out/kvm
	LDLAB_REQUIRE=all LDLAB_KVM=1 $(GO) test -timeout 3h -v -run TestKVMForReal ./internal/nested

docs: build ## measure docs/matrix.txt, docs/coverage.txt and docs/mutation.md anew
	@mkdir -p docs
	$(BIN) run >out/matrix.txt && cp out/matrix.txt docs/
	$(BIN) coverage >out/coverage.txt && cp out/coverage.txt docs/
	$(BIN) mutate >out/mutation.md && cp out/mutation.md docs/

claims: build ## run every finding, and write docs/claims.md; fails if one is not as recorded
	rm -rf out/claims
	$(BIN) repro --format markdown --out out/claims >out/claims.md; s=$$?; cp out/claims.md docs/; exit $$s

bases: build ## measure docs/bases.md: the lab's kernels on each base, their call sites and mutants
	rm -rf out/bases
	mkdir -p out/bases
	s=0; \
	$(BIN) run $(BASES:%=--kernel %) $(LEVELS) --allow-untested --out out/bases/run >out/bases/run.txt || s=$$?; \
	$(BIN) coverage $(BASES:%=--kernel %) --out out/bases/coverage >out/bases/coverage.txt || s=$$?; \
	$(BIN) mutate $(BASES:%=--kernel %) --sample $(BASES_SAMPLE) --out out/bases/mutation >out/bases/mutation.md || s=$$?; \
	$(BIN) report --format kernels out/bases/run >docs/bases.md || s=$$?; \
	scripts/checked out/bases/coverage.txt out/bases/mutation.md $(BASES_SAMPLE) >>docs/bases.md && exit $$s

distributions: build ## measure docs/distributions.md: kernels as distributions ship them
	rm -rf out/distributions
	-$(BIN) run $(DISTRIBUTIONS:%=--kernel %) --allow-untested --out out/distributions >out/distributions.txt
	$(BIN) report --format kernels --allow-untested out/distributions >docs/distributions.md

variants: build ## boot every way to turn lockdown on, and write docs/variants.md
	$(BIN) build $(VARIANTS) --arch x86_64 >out/variants
	LDLAB_REQUIRE=all LDLAB_VARIANTS=1 $(GO) test -timeout 3h -v -run TestVariantsForReal ./internal/engine -update

scale: build ## run a plan in three shards, and write docs/scale.md: what a fleet needs, by the costs of out/latest, bases and distributions
	rm -rf out/shards && mkdir -p out/shards
	$(BIN) plan -o out/shards/plan.json
	for k in 1 2 3; do $(BIN) run --plan out/shards/plan.json --shard $$k/3 --out out/shards/$$k || exit; done
	$(BIN) merge -o out/shards/merged out/shards/1 out/shards/2 out/shards/3
	$(BIN) plan -o out/shards/all.json $(SCALE:%=--kernel %) $(patsubst %,--costs %,$(wildcard out/bases out/distributions) out/shards/merged)
	$(BIN) mutate --resume --out out/shards/mutants >out/shards/mutation.md
	$(BIN) scale --mutants out/shards/mutants --shards out/shards/1,out/shards/2,out/shards/3 out/shards/all.json >out/scale.md && cp out/scale.md docs/

short: ## run the tests that need nothing installed (seconds)
	$(GO) test -short ./... && $(GO) test -C bench -short ./... && GOWORK=off $(GO) test -C docs/ci/check ./...

check: testdeps ## format, vet, staticcheck, and the short tests with the race detector
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./... && $(GO) vet -C bench ./...
	@mkdir -p bin
	$(GO) build -o bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	bin/staticcheck ./... && cd bench && ../bin/staticcheck ./...
	$(GO) test -race -short ./...

bench: build ## measure speed and memory beside the peers: docs/bench.json, docs/bench.svg
	$(GO) build -C bench -o ../bin/bench .
	bin/bench $(ARGS)

install: ## install the program, manual pages, completions and docs to PREFIX (default /usr/local), below DESTDIR if it is set
	@scripts/stage
	@scripts/install "$(PREFIX)" "$(DESTDIR)"

uninstall: ## remove what "make install" has installed
	@scripts/install --remove "$(PREFIX)" "$(DESTDIR)"

deb: ## build a Debian package for this machine's architecture: out/ldlab_*.deb
	@scripts/deb

pictures: ## draw the pictures of the README from the results in RESULTS (default out/latest)
	$(GO) build -o $(BIN) ./cmd/ldlab
	@scripts/pictures "$(RESULTS)"

clean: ## remove what was built here; the cache outside stays
	rm -rf bin out go.work go.work.sum
