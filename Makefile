# What developers and CI run. "make help" lists the targets.
#
# Needs Go alone, and for verify Chromium (the page), Prometheus (alerts) and tmux
# (tqctl), which it installs where it may; all else is a Go module (pinned in
# internal/tools). Nested modules are looped over, never in a go.work.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO ?= go

# Nested modules with code of their own; those called tools only pin tools.
NESTED := $(patsubst %/go.mod,%,$(shell find . -mindepth 2 -name go.mod -not -path '*/testdata/*' -not -path '*/tools/*' | sort))

# Those with output of tqgen, which is their tool.
GENERATED := bench examples/orders

# The race detector needs cgo and a C compiler.
RACE_CC := $(shell [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v $$($(GO) env CC) 2>/dev/null)
RACE_PACKAGES ?= ./runtime/... ./examples/... ./golden/accept/...

# How long and how much; see the targets that use them.
FOR ?= 10s
FUZZTIME ?= 50000x
SEEDS ?= 1000
ROUNDS ?= 10000
TYPES ?= 300
TYPESEED ?= 1
FAILOVERS ?= 1 2 3 4 5
SEED ?= 1
ONLY ?=
CLIENTS ?= 32
PLATFORMS ?= linux/386 windows/amd64

# A package has an hour for its tests, not the ten minutes that go test gives: what
# takes two of them here may take twenty where the machine is slow, or shared.
GOTEST = $(GO) test -timeout=1h

# How a package is installed by whoever is not root.
ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# The network may fail for a moment, and another apt-get be at work.
APT = $(ROOT) apt-get -o Acquire::Retries=5 -o DPkg::Lock::Timeout=600

# The mesh of the lease example, which is in a module of its own.
MESH = $(GO) build -C examples/lease/mesh -o $(CURDIR)/bin/mesh . && exec bin/mesh

tool = $$($(GO) -C internal/tools tool -n $(1))

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## compile everything, and the commands into bin/
	$(GO) build ./...
	$(GO) build -o bin/ ./cmd/tqgen
	$(GO) -C cmd/tqctl build -o ../../bin/ .

.PHONY: test
test: build lint check unit race ## everything that needs Go and its modules alone

.PHONY: verify
verify: page terminal alerts grpc fuzz storm types mutate cross demo-failover demo-chaos drill ## what needs other programs than Go, and what takes longer

.PHONY: page
page: chromium ## the tests of the diagnostics page, in headless Chromium
	cd internal/verify && $(GOTEST) . -run '^TestPage' -count=1 -v

.PHONY: proto
proto: ## write the Go code of the .proto files of adapters/grpc
	cd adapters/grpc && $(GO) run ./internal/protogen

.PHONY: grpc
grpc: ## adapters/grpc: its generated code is what make proto gives, its tests under the race detector, where cgo works
	cd adapters/grpc && $(GO) run ./internal/protogen -check
ifneq ($(RACE_CC),)
	cd adapters/grpc && $(GOTEST) -race ./...
endif

.PHONY: screenshots
screenshots: chromium ## take the picture of the diagnostics page that README shows
	cd internal/verify && $(GO) test . -run '^TestScreenshot$$' -count=1 -screenshot=../../docs/page.png

.PHONY: chromium
chromium: ## install Chromium, if there is none, where that is Debian's apt-get and allowed
	@command -v chromium chromium-browser google-chrome >/dev/null || { $(APT) update -q && $(APT) install -qy --no-install-recommends chromium; }

.PHONY: observability
observability: ## write the dashboard and the alerts of the example's queue
	$(GO) run ./cmd/tqgen observability -out examples/lease/observability ./examples/lease

.PHONY: alerts
alerts: prometheus ## try the alerts: their tests in promtool, and the failures they are about before a Prometheus
	cd internal/verify && $(GOTEST) . -run '^Test(Promtool|Drill)' -count=1 -v

.PHONY: prometheus
prometheus: ## install Prometheus and promtool, if there is none, where that is Debian's apt-get and allowed
	@command -v prometheus >/dev/null && command -v promtool >/dev/null || { $(APT) update -q && $(APT) install -qy --no-install-recommends prometheus; }

.PHONY: terminal
terminal: tmux ## the tests of tqctl's screens, on a terminal of tmux
	cd cmd/tqctl && $(GOTEST) . -run '^TestTerminal' -count=1 -v

.PHONY: tmux
tmux: ## install tmux, if there is none, where that is Debian's apt-get and allowed
	@command -v tmux >/dev/null || { $(APT) update -q && $(APT) install -qy --no-install-recommends tmux; }

.PHONY: demo
demo: ## regenerate the example, then run its queue under faults for FOR (10s)
	$(GO) generate ./examples/lease
	$(GO) run ./examples/lease/cmd/demo -for $(FOR)

.PHONY: demo-failover
demo-failover: ## kill the owner of a replicated queue, twice for each of FAILOVERS, and account for every task
	$(GO) build -o bin/ ./examples/lease/cmd/failover
	@for seed in $(FAILOVERS); do bin/failover -seed $$seed && bin/failover -seed $$seed -sync || exit; done

.PHONY: mesh
mesh: ## start a mesh of the lease service on loopback, until it is interrupted
	@$(MESH)

.PHONY: drill
drill: ## break a mesh in eight ways (ONLY some, by SEED) and account for what it has promised
	@$(MESH) -role drill -seed $(SEED) -only '$(ONLY)'

.PHONY: load
load: ## load a mesh with CLIENTS (32) from a second process for FOR (10s), with backpressure and without
	@$(MESH) -role compare -clients $(CLIENTS) -for $(FOR)

.PHONY: demo-chaos
demo-chaos: ## drive a queue into backpressure and out, three times, and show that a client of the stream saw every transition
	$(GO) run ./examples/lease/cmd/chaos

.PHONY: generate
generate: ## rewrite every file that tqgen generates
	$(GO) run ./cmd/tqgen ./...
	@for m in $(GENERATED); do (cd $$m && $(GO) tool tqgen ./...); done
	$(MAKE) observability

.PHONY: golden
golden: ## record the golden cases anew, each checked before it is written
	$(GO) test ./golden -count=1 -update

.PHONY: reference
reference: ## write docs/reference.md, and the code that documents quote, from the code
	$(GO) test ./internal/archtest -run '^(TestReference|TestDocsQuoteExamples)$$' -count=1 -update

.PHONY: check
check: ## show generated files that are stale, edited or orphaned
	$(GO) run ./cmd/tqgen check ./...
	@for m in $(GENERATED); do (cd $$m && $(GO) tool tqgen check ./...); done
	$(GO) run ./cmd/tqgen observability -check -out examples/lease/observability ./examples/lease

.PHONY: lint
lint: ## gofmt, vet and staticcheck, nested modules included
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not gofmt'd:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(call tool,staticcheck) ./...
	@for m in $(NESTED); do echo "$$m: vet, staticcheck"; s=$(call tool,staticcheck); (cd $$m && $(GO) vet ./... && $$s ./...); done

.PHONY: unit
unit: ## the tests of every module, fuzz seeds included
	$(GOTEST) ./...
	@for m in $(NESTED); do echo "$$m: test"; (cd $$m && $(GOTEST) ./...); done

.PHONY: race
race: ## the tests of runtime, examples and golden cases under the race detector, where cgo works
ifeq ($(RACE_CC),)
	@echo "race: skipped, cgo or a C compiler is missing"
else
	$(GOTEST) -race $(RACE_PACKAGES)
endif

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (50000x: so many executions)
	internal/tools/fuzz.sh $(FUZZTIME)

.PHONY: storm
storm: ## random scripts and schedules of the queue (SEEDS), random documents of the codec (ROUNDS)
	$(GOTEST) ./runtime/tq -count=1 -tq.seeds=$(SEEDS)
	$(GOTEST) ./runtime/jsonwire -count=1 -rounds=$(ROUNDS)

.PHONY: types
types: ## codecs of TYPES (300) random payload types, beginning at TYPESEED, against encoding/json
	$(GO) test ./golden/typefuzz -count=1 -timeout=0 -v -types=$(TYPES) -seed=$(TYPESEED)

.PHONY: bench
bench: ## measure tqgen beside its peers and write the tables of bench/README.md (a quarter of an hour)
	cd bench && $(GO) run ./cmd/bench -readme README.md

.PHONY: bench-ratios
bench-ratios: ## a line for each speed goal, ok or MISS, and where a MISS is explained (five minutes)
	@cd bench && $(GO) run ./cmd/bench -ratios

.PHONY: mutate
mutate: ## break each invariant by its patch and show that its test notices
	internal/mutate/run.sh

.PHONY: cross
cross: ## vet every module for PLATFORMS; test runtime and codec with 32 bits, where such programs run
	@for p in $(PLATFORMS); do for m in . $(NESTED); do \
		case $$m:$$p in ./bench:*/386|./bench:*/arm) continue;; esac; `# sonic wants 64 bits` \
		echo "$$m: vet for $$p"; (cd $$m && GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) vet ./...); done; done
	@if GOARCH=386 $(GO) run ./cmd/tqgen version >/dev/null 2>&1; then \
		GOARCH=386 $(GOTEST) ./runtime/... ./golden/accept/conformance; \
	else echo "cross: no programs of 32 bits run here"; fi

.PHONY: cover
cover: ## statement coverage of generator, templates and runtime, by function in cover.out
	$(GO) test -coverpkg=./generator/...,./templates/...,./runtime/... -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -n 1
