# make demo   sets everything up, runs the whole pipeline on the embedded study, prints the table and where to look
# make test   lint, types and tests; make retest runs the real pipeline through changes and a kill
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 5000
# Stages run plain `python`: DVC finds the one of the virtual environment first.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Nothing of this pipeline phones home.
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
export DVC_NO_ANALYTICS := true
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test retest bench ui clean requirements

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(VENV)/.installed ## build .venv from the hashed requirements.txt

$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; try make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade >/dev/null
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes --python $(BIN)/python -r requirements.txt
	@touch $@

demo: setup ## run the whole pipeline on the embedded default and show the table
	dvc repro
	@echo
	@cat reports/table.txt
	@echo
	@echo "Report:     $(CURDIR)/reports/index.html   (open it in a browser)"
	@echo "MLflow UI:  make ui                        (then http://127.0.0.1:$(PORT))"

test: setup ## lint, types and tests
	ruff check .
	ruff format --check .
	mypy
	pytest -n 2 --dist loadscope -m "not slow"

retest: setup ## the real pipeline on a tiny study: what re-runs after which change, and after a kill (minutes)
	pytest -m slow

bench: setup ## time frame sampling against OpenCV on this machine
	python -m benchmarks.sampling

ui: setup ## browse runs, curves and artifacts in MLflow; PORT=5000
	mlflow server --backend-store-uri sqlite:///mlflow.db --default-artifact-root mlartifacts --no-serve-artifacts --workers 1 --host 127.0.0.1 --port $(PORT)

requirements: setup ## compile requirements.txt anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --group dev pyproject.toml --output-file requirements.txt

clean: ## remove everything that can be made again: data, weights, models, scratch, tracking store
	rm -rf data/raw data/corpus data/frames data/features weights models .scratch mlartifacts mlflow.db mlflow.db-*
