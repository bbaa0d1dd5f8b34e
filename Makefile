# What there is to run. Each target sets up what it needs (tools/setup.sh), in this folder, and only once.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-rust test-python check format generate pins bench fuzz fuzz-api clean

export PATH := $(CURDIR)/.venv/bin:$(PATH):$(HOME)/.cargo/bin
export TF_CPP_MIN_LOG_LEVEL ?= 2
SECONDS_FUZZED ?= 660
REQUESTS ?= 100000
SEED ?= 1
WORKERS ?= 2

help: ## list the targets
	@grep -E '^[a-z -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup build: ## .venv, pinned packages, the Rust extension (build is the same)
	@tools/setup.sh

demo: setup ## the whole main job on real digits, told as it happens
	@python -m examples.digits.demo

test: test-rust test-python ## every test

test-rust: setup ## the tests of the crates
	@TAXIWAY_TEST_PYTHON="$(CURDIR)/.venv/bin/python" cargo test --locked --workspace --exclude taxiway-python

test-python: setup ## the tests of the package, the docs and the tree, in WORKERS=2 processes
	@python -m pytest -n $(WORKERS) --dist loadfile

check: setup ## formats, types, lints, layers, sizes, generated files, pins
	@tools/check.sh

format: setup ## put the files into the format that check asks for
	@ruff format . && ruff check --fix --exit-zero --quiet . && cargo fmt --all

generate: setup ## write the generated files
	@python tools/generate.py

pins: ## resolve constraints.txt anew
	@python3 tools/pins.py

bench: setup ## the benchmark beside peers and floors
	@python -m bench

fuzz: setup ## the fuzz targets, SECONDS_FUZZED each
	@for target in fuzz/fuzz_targets/*.rs; do tools/fuzz.sh "$$(basename "$$target" .rs)" -max_total_time=$(SECONDS_FUZZED); done

fuzz-api: setup ## REST and gRPC of a running server: REQUESTS=100000 from SEED=1
	@python -m tests.fuzz --requests $(REQUESTS) --seed $(SEED)

clean: ## remove what was built (not the environment)
	@rm -rf build target fuzz/target src/taxiway/_server.abi3.so .venv/stamps/extension
