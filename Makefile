# `make demo` and `make test` need Python 3.11 to 3.13 and nothing else.
# Another Python than python3: make test PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Newer than every file it depends on: the environment is as they say.
INSTALLED := $(VENV)/installed
# Debian's packages that some tests need: a browser for pages, a broker for messages.
SYSTEM_PACKAGES := chromium chromium-driver mosquitto
SYSTEM := $(VENV)/system
# What is imported is compiled then, and kept, whatever the environment says: compiling all that is
# installed takes a minute, and compiling TensorFlow at each start eight seconds more.
export PYTHONDONTWRITEBYTECODE :=
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help install demo test test-arm64 test-unit check lint format bench clean

help:
	@echo 'make demo     the whole road on the sample images, into runs/demo; of all 70,000'
	@echo '              images: make demo DEMO_FLAGS=--dataset=fashion_mnist'
	@echo 'make test     the test suite (one part: make test TESTS=tests/device)'
	@echo 'make test-arm64  classify and doctor in an emulated arm64 userland, against here'
	@echo 'make test-unit   boots Debian in a container, and tries the systemd units in it'
	@echo 'make lint     ruff, mypy, import-linter'
	@echo 'make check    lint and test'
	@echo 'make format   lets ruff rewrite the sources'
	@echo 'make bench    ShuffleNetV2 against other runtimes (BENCH_FLAGS=--width=0.5)'
	@echo 'make install  $(VENV) alone; the others do it where needed'
	@echo 'make clean    removes what was made, but for $(VENV) and runs/'

install: $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/python -m corallite.convert.cli.demo_main $(DEMO_FLAGS)

test: $(INSTALLED) $(SYSTEM)
	$(BIN)/pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder $(TESTS)

# Not part of `test`: needs debootstrap and qemu-user, the first time some minutes, and
# the model and images of `make demo` unless others are named.
ARM64 := $(VENV)/arm64
TRIAL_MODEL ?= runs/demo/int8/model_int8.tflite
TRIAL_IMAGES ?= runs/demo/images/test

test-arm64: $(ARM64)/python $(TRIAL_MODEL)
	$(BIN)/python benchmarks/arm64/compare.py --arm64_python=$(ARM64)/python \
	  --model=$(TRIAL_MODEL) --images=$(TRIAL_IMAGES)

$(ARM64)/python: benchmarks/arm64/make_userland.sh | $(INSTALLED)
	PYTHON=$(BIN)/python $< $(ARM64)

# Not part of `test` either: needs root, debootstrap and systemd-container, and five minutes.
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

# The other runtimes are an extra: without them (.venv/bin/pip install -e '.[bench]') the published
# form is compared in LiteRT alone.
bench: $(INSTALLED)
	$(BIN)/python benchmarks/shufflenet.py $(BENCH_FLAGS)

clean:
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find $$(ls -d */ | grep -v -x -e runs/) -name __pycache__ -prune -exec rm -rf {} +

# pip is the last thing that venv puts in, so an environment with pip is complete and
# one without it is what an interrupted run left. --no-build-isolation uses the
# setuptools of requirements.txt instead of fetching a second one.
$(INSTALLED): requirements.txt setup.cfg pyproject.toml
	@$(CHECK_PYTHON)
	@$(BIN)/python -c "import pip" 2> /dev/null || $(PYTHON) -m venv --clear $(VENV)
	@echo 'Installing requirements.txt into $(VENV) (2.5 GB; a minute or more, once)'
	@$(PIP) install --no-compile --requirement requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Whoever may not install them is told once, and the tests that need them are skipped.
$(SYSTEM): Makefile $(INSTALLED)
	@if PATH=$$PATH:/usr/sbin && command -v chromium > /dev/null \
	    && command -v chromedriver > /dev/null && command -v mosquitto > /dev/null; then :; \
	elif test "$$(id -u)" = 0 && command -v apt-get > /dev/null; then \
	  echo 'Installing $(SYSTEM_PACKAGES) (Debian packages that some tests need)'; \
	  { apt-get update && apt-get install --yes --no-install-recommends $(SYSTEM_PACKAGES); } \
	    > $(VENV)/system.log 2>&1 \
	    || echo 'Could not (see $(VENV)/system.log); the tests that need them are skipped'; \
	else \
	  echo 'Some tests are skipped without: sudo apt install $(SYSTEM_PACKAGES)'; \
	fi
	@touch $@

# Exit status 2 and one sentence each: no Python, one that the pins do not fit, and
# Debian's Python without its venv package.
define CHECK_PYTHON
command -v $(PYTHON) > /dev/null || { \
  echo 'corallite: no $(PYTHON) here; install Python 3.11, or name one: make PYTHON=python3.12' >&2; \
  exit 2; }; \
$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
  echo "corallite: requirements.txt is pinned for Python 3.11 to 3.13, and $(PYTHON) is" \
    "$$($(PYTHON) -V); name another: make PYTHON=python3.11" >&2; \
  exit 2; }; \
$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
  echo 'corallite: $(PYTHON) cannot make virtual environments; on Debian or Ubuntu:' \
    'sudo apt install python3-venv' >&2; \
  exit 2; }
endef
