# make demo   convert a clip end to end on this machine      make test   everything CI checks
# make bench  quality and speed against peers, one run       make build  the programs, optimised
# make deb    packages for Debian and Ubuntu in target/deb   make test-deb  try them in a clean Debian
# make test-containers  an image for each, and a farm of them, tried with podman (BASE=image takes another base)
# make peers  MVTools and OpenCV for `make bench`, in target/peers (needs Python 3.12 or newer and PyPI)
#
# CLIP=path FPS=60 choose what `make demo` converts; BENCH="--full" measures everything, all options: BENCH=--help.

SHELL := /bin/bash
CARGO ?= cargo
CLIP  ?=
FPS   ?= 60
BENCH ?=

PACKAGES_BUILD := build-essential pkg-config glslc libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
PACKAGES_RUN   := ca-certificates libvulkan1 mesa-vulkan-drivers ffmpeg util-linux gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
                  gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
PACKAGES_BENCH := gstreamer1.0-tools
PACKAGES_TEST  := vulkan-validationlayers gstreamer1.0-tools systemd
ROOT           := $(if $(filter 0,$(shell id -u)),,sudo)

# Where cargo is told to build: a folder that its own configuration names would not be known here.
export CARGO_TARGET_DIR ?= $(CURDIR)/target
# Compiled lavapipe shaders are kept between runs: compiling them again costs a second per process.
export MESA_SHADER_CACHE_DIR ?= $(CURDIR)/target/mesa-shader-cache

.PHONY: demo test bench build deny packages packages-bench packages-test rust

demo: packages rust
	@echo "== build the programs (release; minutes the first time, seconds after)"
	$(CARGO) build --release --locked
	@$(CARGO_TARGET_DIR)/release/tweenfarm-demo $(if $(CLIP),--clip "$(CLIP)") --fps $(FPS)

build: packages rust
	$(CARGO) build --release --locked

test: packages-test rust
	@echo "== format"
	$(CARGO) fmt --all --check
	@echo "== lints"
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	@$(MAKE) --no-print-directory deny-if-there
	@echo "== the tests, and the programs for the end-to-end tests"
	$(CARGO) test --workspace --locked --no-run
	@echo "== the API against its own document"
	@tests/schemathesis.sh || [ $$? = 77 ]
	@echo "== tests"
	@mkdir -p target; set -o pipefail; $(CARGO) test --workspace --locked | tee target/tests.log
	@awk '/^test result/ { passed += $$4; failed += $$6; skipped += $$8 } \
	  END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' target/tests.log

# .deb files of daemon, agent and console, in target/deb.
.PHONY: deb
deb: packages rust
	$(CARGO) build --release --locked
	systemd/deb/build.sh $(CARGO_TARGET_DIR)/release target/deb

# Installs, starts, upgrades and removes them in a Debian of their own, under a systemd of its own; needs root.
.PHONY: test-deb
test-deb: deb
	$(ROOT) systemd/deb/try.sh target/deb target/deb-root

# Builds an image for each, runs a farm of them from its first start to an upgrade and removes it; needs podman and root.
.PHONY: test-containers
test-containers: deb
	$(ROOT) $(if $(BASE),BASE="$(BASE)") systemd/containers/try.sh target/deb

bench: packages-bench rust
	$(CARGO) build --release --locked
	$(CARGO_TARGET_DIR)/release/tweenfarm-bench $(BENCH)

# VapourSynth's wheels are for Python 3.12 and later; PYTHON=path names one that is not found.
.PHONY: peers
peers:
	@for python in $(PYTHON) python3.14 python3.13 python3.12 python3; do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && break; python=; \
	done; \
	[ -n "$$python" ] || { echo "make peers needs Python 3.12 or newer and finds none: make peers PYTHON=/path/to/python3"; exit 1; }; \
	$$python -m venv target/peers
	target/peers/bin/python -m pip install --quiet vapoursynth==81 vapoursynth-mvtools==29 numpy opencv-python-headless
	target/peers/bin/python -B tests/bench/mvtools.py --check && target/peers/bin/python -B tests/bench/dense_search.py --check

# Licences, duplicate and banned crates, sources; needs cargo-deny (`cargo install cargo-deny --locked`).
deny:
	$(CARGO) deny --all-features check bans licenses sources

# The API against its own OpenAPI document; needs python3 and, the first time, PyPI.
.PHONY: schemathesis
schemathesis: rust
	tests/schemathesis.sh

# Typed clients, generated from the document: their types checked, one flow run; needs node, npm and python3.
.PHONY: clients
clients: rust
	tests/clients/run.sh

# The browser studio in a headless Chromium, through a whole render; needs chromium, node, npm and python3.
.PHONY: studio
studio: packages rust
	tests/studio/run.sh

.PHONY: deny-if-there
deny-if-there:
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(MAKE) --no-print-directory deny; \
	 else echo "== cargo-deny is not installed: licences are not checked here (cargo install cargo-deny --locked, then make deny)"; fi

rust:
	@$(CARGO) --version >/dev/null 2>&1 || { echo "Rust is missing: install it with rustup (https://rustup.rs), then run make again."; exit 1; }

packages:
	@$(call install-missing,$(PACKAGES_BUILD) $(PACKAGES_RUN))

packages-bench:
	@$(call install-missing,$(PACKAGES_BUILD) $(PACKAGES_RUN) $(PACKAGES_BENCH))

packages-test:
	@$(call install-missing,$(PACKAGES_BUILD) $(PACKAGES_RUN) $(PACKAGES_TEST))

# Names what is missing, then installs it; quiet when everything is there.
define install-missing
missing=(); \
for package in $(1); do \
  [ "$$(dpkg-query -W -f='$${Status}' $$package 2>/dev/null)" = "install ok installed" ] || missing+=($$package); \
done; \
if [ $${#missing[@]} -gt 0 ]; then \
  echo "== install system packages with apt: $${missing[*]}"; \
  $(ROOT) apt-get update -q && DEBIAN_FRONTEND=noninteractive $(ROOT) apt-get install -y -q --no-install-recommends "$${missing[@]}"; \
fi
endef
