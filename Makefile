# Every command of the project. `make help` lists them; `make train` and `make test` need Rust and Python 3.11+, nothing else.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := $(CURDIR)/.venv
PY := $(VENV)/bin/python
# One interpreter, and one way of linking the extension, for every cargo call: changing either would rebuild PyO3.
export PYO3_PYTHON := $(PY)
export PYO3_BUILD_EXTENSION_MODULE := 1
export CARGO_TARGET_DIR ?= $(CURDIR)/target
# What `make train` and `make bench` hand to their program: make train ARGS="--epochs 30 --seed 1"
ARGS ?=
# Of `make soak`: how many processes are killed or stopped, half and half, of a trainer in Rust and again of trainers in
# Python and their service; and what decides when. Without SEED every run is another.
FAULTS ?= 400
SEED ?=

CRATES_WITHOUT_PYTHON := -p rustorch-base -p rustorch-kernels -p rustorch-core -p rustorch-data
EXTENSION := python/rustorch/_C.abi3.so

.PHONY: help train test soak memcheck dev lint fmt stubs bench bench-loading wheel notices clean need-cargo test-rust test-python

help:  ## Show this list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | awk -F'|' '{ printf "%-22s%s\n", $$1, $$2 }'

train: dev $(VENV)/.examples  ## Build everything needed, then train on real handwritten digits and show the result
	@$(PY) examples/digits.py $(ARGS)

test: dev test-rust lint test-python  ## Rust tests, lint, Python tests: what continuous integration runs

test-rust: need-cargo $(VENV)/.python  ## The tests of the crates that need no interpreter
	cargo test --locked $(CRATES_WITHOUT_PYTHON)

test-python: dev $(VENV)/.dev  ## pytest alone: make test-python ARGS="-k autograd"
	$(PY) -m pytest -q $(ARGS)

soak: dev $(VENV)/.dev  ## Kill and stop processes of the data service at random, for minutes: make soak FAULTS=1000 SEED=7
	@seed="$(SEED)"; seed="$${seed:-$$RANDOM}"; log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	export RUSTORCH_SOAK_SEED=$$seed RUSTORCH_SOAK_FAULTS=$(FAULTS) RUSTORCH_TEST_SEED=$$seed; \
	cargo test --locked -q -p rustorch-data --test session -- kills_and_stops | tee -a "$$log"; \
	cargo test --locked -q -p rustorch-data --test daemon killed -- --nocapture | tee -a "$$log"; \
	$(PY) -m pytest -q -s --timeout 3600 tests/test_data_soak.py | tee -a "$$log"; \
	$(PY) -m pytest -q tests/test_dataloader_faults.py tests/test_data_command.py tests/test_data_service.py -k kill; \
	echo; grep '^soak: ' "$$log"; echo "soak: seed $$seed: nothing was lost, nothing came twice, nothing was late, nothing was left behind"

memcheck: need-cargo $(VENV)/.python  ## The data service's ring under valgrind, which has to be installed
	@command -v valgrind > /dev/null || { echo "install valgrind (Debian and Ubuntu: apt install valgrind), then run make again." >&2; exit 1; }
	CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite" \
	  cargo test --locked -p rustorch-data --test ring_memory

dev: need-cargo $(VENV)/.python  ## Rebuild the native library and put it where `import rustorch` finds it, without pip
	@cargo build --locked -p rustorch-python
	@cp "$(CARGO_TARGET_DIR)/debug/lib_C.so" "$(EXTENSION).new" && mv "$(EXTENSION).new" "$(EXTENSION)"

lint: dev $(VENV)/.dev  ## Formatting, clippy, ruff, mypy, and whether the generated stub is fresh
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m rustorch._stubs --check

fmt: need-cargo $(VENV)/.dev  ## Format Rust and Python
	cargo fmt --all
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format .

stubs: dev  ## Write python/rustorch/_C.pyi from the table of operations
	$(PY) -m rustorch._stubs

bench: dev $(VENV)/.dev  ## Time small operations, beside PyTorch where it is installed
	$(PY) benchmarks/overhead.py $(ARGS)

bench-loading: dev $(VENV)/.dev  ## Time data loading, beside PyTorch where it is installed
	$(PY) benchmarks/loading.py $(ARGS)

wheel: need-cargo notices $(VENV)/.dev  ## Build the release wheel into dist/
	$(PY) -m maturin build --release --locked --out dist

notices: need-cargo $(VENV)/.python  ## Write THIRD-PARTY.md: the licences of the crates inside the wheel
	@cargo metadata --locked --format-version 1 --filter-platform x86_64-unknown-linux-gnu | $(PY) .ci/third_party.py > THIRD-PARTY.md

clean:  ## Remove everything that was built, the environment included
	rm -rf "$(VENV)" dist runs $(EXTENSION) .mypy_cache .pytest_cache .ruff_cache
	find python tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	cargo clean

need-cargo:
	@command -v cargo > /dev/null || { echo "rustorch needs Rust: install it from https://rustup.rs, then run make again." >&2; exit 1; }

# The virtual environment, with the package's folder on its path.
$(VENV)/.python:
	@python=; for candidate in python3 python3.14 python3.13 python3.12 python3.11; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then python=$$candidate; break; fi; done; \
	[ -n "$$python" ] || { echo "rustorch needs Python 3.11 or newer: install it from https://www.python.org/downloads, then run make again." >&2; exit 1; }; \
	"$$python" -m venv "$(VENV)" > /dev/null || { echo "rustorch needs Python's venv module: install it (Debian and Ubuntu: apt install python3-venv), then run make again." >&2; exit 1; }
	@echo "$(CURDIR)/python" > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/rustorch.pth"
	@$(PY) -m pip install --quiet --disable-pip-version-check $$(grep -E '^(numpy|cloudpickle)==' requirements-examples.txt)
	@touch $@

$(VENV)/.examples: requirements-examples.txt $(VENV)/.python
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-examples.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements-examples.txt $(VENV)/.python
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.examples
