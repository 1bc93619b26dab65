# `make demo` and `make test` need only Python 3.11 to 3.13.
# To use another Python than python3: make test PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Newer than the files that it depends on if the environment is up to date.
INSTALLED := $(VENV)/installed
# Debian packages that some tests need: a browser, an MQTT broker, and what builds C++.
SYSTEM_PACKAGES := chromium chromium-driver mosquitto cmake g++
SYSTEM := $(VENV)/system
# Python keeps compiled modules, whatever the environment says. Compiling all installed packages
# takes a minute, and compiling TensorFlow at each start eight seconds.
export PYTHONDONTWRITEBYTECODE :=
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help install demo test test-runtimes test-arm64 test-unit check lint format bench results \
  runtimes clean

help:
	@echo 'make demo        run the pipeline on the sample images, into runs/demo; for all'
	@echo '                 70,000 images: make demo DEMO_FLAGS=--dataset=fashion_mnist'
	@echo 'make test        run the tests (only some: make test TESTS=tests/device)'
	@echo 'make test-runtimes  test exports in runtimes that this installs, such as MediaPipe'
	@echo 'make test-arm64  compare classify and doctor with an emulated arm64 userland'
	@echo 'make test-unit   boot Debian in a container and test the systemd units there'
	@echo 'make lint        run ruff, mypy and import-linter'
	@echo 'make check       lint and test'
	@echo 'make format      format the sources with ruff'
	@echo 'make bench       compare ShuffleNetV2 in several runtimes'
	@echo '                 (BENCH_FLAGS=--width=0.5)'
	@echo 'make results     make the tables of compression, in days, resumably: DATA_DIR=cifar10'
	@echo '                 (RESULTS_FLAGS=--rows=resnet8; only print: RESULTS_FLAGS=--print)'
	@echo 'make runtimes    export, compare and time all targets: DATA_DIR=cifar10, resumably'
	@echo 'make wheel       build the wheel into dist/'
	@echo 'make release     the same, with checksums and what has changed since the last one'
	@echo 'make install     create $(VENV); the other targets do this if needed'
	@echo 'make clean       remove all generated files except $(VENV) and runs/'

install: $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/python -m corallite.convert.cli.demo_main $(DEMO_FLAGS)

test: $(INSTALLED) $(SYSTEM)
	$(BIN)/pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder $(TESTS)

# Not part of `test`: installs gigabytes, into environments of their own.
test-runtimes: $(INSTALLED)
	CORALLITE_TEST_RUNTIMES=$(abspath $(VENV))/runtimes $(BIN)/pytest tests/convert/export/targets tests/convert/export/hardware

# Not part of `test`: needs debootstrap and qemu-user, and takes some minutes the first time.
# Uses the model and the images of `make demo` unless others are given.
ARM64 := $(VENV)/arm64
TRIAL_MODEL ?= runs/demo/int8/model_int8.tflite
TRIAL_IMAGES ?= runs/demo/images/test

test-arm64: $(ARM64)/python $(TRIAL_MODEL)
	$(BIN)/python benchmarks/arm64/compare.py --arm64_python=$(ARM64)/python \
	  --model=$(TRIAL_MODEL) --images=$(TRIAL_IMAGES)

$(ARM64)/python: benchmarks/arm64/make_userland.sh | $(INSTALLED)
	PYTHON=$(BIN)/python $< $(ARM64)

# Not part of `test` either: needs root, debootstrap and systemd-container; takes five minutes.
test-unit: $(INSTALLED) $(TRIAL_MODEL)
	PYTHON=$(BIN)/python deploy/trial/run.sh $(TRIAL_MODEL) $(TRIAL_IMAGES)

runs/demo/int8/model_int8.tflite:
	$(MAKE) demo

check: lint test

lint: $(INSTALLED)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(INSTALLED)
	$(BIN)/python benchmarks/shufflenet.py $(BENCH_FLAGS)

results: $(INSTALLED)
	$(BIN)/python benchmarks/results/make_tables.py $(if $(DATA_DIR),--data_dir=$(DATA_DIR)) \
	  $(RESULTS_FLAGS)

# Trains what is missing. For other runs: RUN_DIRS=runs/a,runs/b
RUN_DIRS ?= runs/results/mobilenet_quantized,runs/results/shufflenet_quantized

runtimes: $(INSTALLED)
	$(if $(DATA_DIR),$(BIN)/python benchmarks/results/make_tables.py --data_dir=$(DATA_DIR) \
	  --rows=mobilenet_quantized,shufflenet_quantized > /dev/null)
	$(BIN)/python benchmarks/targets/make_page.py --run_dirs=$(RUN_DIRS)

wheel: $(INSTALLED)
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir=dist .

# The version is that of setup.cfg, and CHANGELOG.md has to have a section of that name.
release: $(INSTALLED)
	$(BIN)/python deploy/release/make_release.py --out_dir=dist $(RELEASE_FLAGS)

clean:
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find $$(ls -d */ | grep -v -x -e runs/) -name __pycache__ -prune -exec rm -rf {} +

# venv installs pip last: an environment without pip is left from an interrupted run.
# --no-build-isolation uses the setuptools of requirements.txt, not a second download.
$(INSTALLED): requirements.txt setup.cfg pyproject.toml
	@$(CHECK_PYTHON)
	@$(BIN)/python -c "import pip" 2> /dev/null || $(PYTHON) -m venv --clear $(VENV)
	@echo 'Installing requirements.txt into $(VENV) (2.5 GB; a minute or more, once)'
	@$(PIP) install --no-compile --requirement requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Without the permission to install them it says so once, and tests that need them are skipped.
$(SYSTEM): Makefile $(INSTALLED)
	@if PATH=$$PATH:/usr/sbin && command -v chromium > /dev/null \
	    && command -v chromedriver > /dev/null && command -v mosquitto > /dev/null \
	    && command -v cmake > /dev/null && command -v g++ > /dev/null; then :; \
	elif test "$$(id -u)" = 0 && command -v apt-get > /dev/null; then \
	  echo 'Installing $(SYSTEM_PACKAGES) (Debian packages that some tests need)'; \
	  { apt-get update && apt-get install --yes --no-install-recommends $(SYSTEM_PACKAGES); } \
	    > $(VENV)/system.log 2>&1 \
	    || echo 'Not installed (see $(VENV)/system.log); tests that need them are skipped'; \
	else \
	  echo 'Some tests are skipped; to run them: sudo apt install $(SYSTEM_PACKAGES)'; \
	fi
	@touch $@

# Exits with status 2 and one line if there is no Python, another version than the pinned
# packages need, or Debian's Python without its venv package.
define CHECK_PYTHON
command -v $(PYTHON) > /dev/null || { \
  echo 'corallite: no $(PYTHON) found; install Python 3.11, or give one: make PYTHON=python3.12' >&2; \
  exit 2; }; \
$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
  echo "corallite: requirements.txt needs Python 3.11 to 3.13, but $(PYTHON) is" \
    "$$($(PYTHON) -V); give another: make PYTHON=python3.11" >&2; \
  exit 2; }; \
$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
  echo 'corallite: $(PYTHON) cannot create virtual environments; on Debian or Ubuntu run:' \
    'sudo apt install python3-venv' >&2; \
  exit 2; }
endef
