# `make run` starts orfeas; the first call makes .venv and installs what it needs, later calls need no network.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
ARGS ?=
TEST_PROCESSES ?= 2

.PHONY: run test coverage soak bench bench-check gallery screenshots studio studio-check lint openapi docs install-ml install-onnx clean

run: $(VENV)/.installed-run
	@echo "orfeas needs nothing more. 'make test' adds the test tools and torch (the extra 'ml': a CPU or a CUDA build,"
	@echo "as the package index has it for this platform; the latter takes several GB)."
	@$(BIN)/orfeas serve $(ARGS)

# Files in their order: the long ones are not the last.
test: $(VENV)/.installed-test node
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

# Measuring costs a third of the time, so the tests run without it. Fails below 90 %.
coverage: $(VENV)/.installed-test node
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --cov --cov-report=term $(ARGS)

soak: $(VENV)/.installed-test node
	@mkdir -p build && rm -f build/soak*.xml
	TEST_SCALE=full $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder -m "not gpu" --junitxml=build/soak.xml \
	  tests/survival tests/test_fuzz.py tests/jobs tests/storage tests/gpu tests/geometry tests/domain \
	  tests/routes/test_assets.py tests/routes/test_meshes.py tests/routes/test_prompts.py tests/routes/test_neural.py \
	  tests/routes/test_neural_prompts.py tests/services/test_engines.py tests/browser $(ARGS)
	$(BIN)/python -m benchmarks.soak build/soak*.xml

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.http
	$(BIN)/python -m benchmarks.api
	$(BIN)/python -m benchmarks.health
	$(BIN)/python -m benchmarks.mesh
	$(BIN)/python -m benchmarks.render
	$(BIN)/python -m benchmarks.hunyuan3d

bench-check: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.check

gallery: $(VENV)/.installed-run
	$(BIN)/python -m benchmarks.gallery
	$(BIN)/python -m benchmarks.gallery_words
	$(BIN)/python -m benchmarks.gallery_render
	$(BIN)/python -m benchmarks.gallery_texture

# Every view of the studio at three widths in both themes, to be looked at; ARGS=--docs makes those of the README.
screenshots: $(VENV)/.installed-test node
	$(BIN)/python -m benchmarks.screenshots $(ARGS)

# The studio's page is built from studio/ and committed, so only those who change it need npm.
studio: studio/node_modules/.installed
	cd studio && npm run --silent build

studio-check:
	@if command -v npm >/dev/null 2>&1; then $(MAKE) --no-print-directory .studio-same; \
	  else echo "npm is not installed: the studio is not built again to be compared with what is committed."; fi

.PHONY: .studio-same
.studio-same: studio/node_modules/.installed
	@built=$$(mktemp -d) && trap 'rm -rf "$$built"' EXIT && cd studio && STUDIO_OUT="$$built" npm run --silent build \
	  && diff -r "$$built" ../orfeas/static/studio \
	  && echo "orfeas/static/studio is what studio/ makes." || { echo "run 'make studio' and commit what it writes." >&2; exit 1; }

studio/node_modules/.installed: studio/package.json studio/package-lock.json
	cd studio && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

openapi: $(VENV)/.installed-run
	$(BIN)/orfeas openapi -o openapi/openapi.json

# The parts of README.md and docs/ that are made from the code.
docs: $(VENV)/.installed-run
	$(BIN)/python -m orfeas.reference

# The models' libraries. Plain `make install-ml` takes the build of torch that the package index has for this
# platform (CUDA on Linux with an x86 processor); for a CPU build, point pip at an index that has one.
install-ml: $(VENV)/.installed-run
	$(INSTALL) -e ".[ml]"

# For a background removal model that is an ONNX graph.
install-onnx: $(VENV)/.installed-run
	$(INSTALL) -e ".[ml,onnx]"

clean:
	rm -rf build dist gallery htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find orfeas tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# pip installs again only when what it reads has changed.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "orfeas needs Python 3.11 or newer (python3 with the venv module)." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "orfeas needs Python 3.11 or newer; set PYTHON=/path/to/python3." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing orfeas and its libraries into $(VENV) (once) ..."
	$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e ".[ml,onnx,test,postgres]"
	@touch $(VENV)/.installed-run $@

$(VENV)/.installed-lint: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e ".[lint,ml,onnx,test,postgres]"
	@touch $(VENV)/.installed-run $(VENV)/.installed-test $@

# The Khronos glTF validator, Playwright and axe; without npm their tests are skipped and say so.
.PHONY: node
node:
	@if command -v npm >/dev/null 2>&1; then $(MAKE) --no-print-directory node_modules/.installed; \
	  else echo "npm is not installed: the tests of the glTF validator and of the pages will be skipped."; fi

node_modules/.installed: package.json package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
