# make demo   sets everything up, runs the whole pipeline on the embedded study, prints the table and where to look
# make test   lint, types and tests, the real pipeline through changes and a kill among them
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 5000
STUDY ?= youcook2
ROW ?= clipsum
AGAINST ?= bart
VIDEOS ?= 40
ENGINE ?= local
CLEANED := data/raw data/corpus data/speech data/frames data/features data/storyboards.json data/checked.txt weights models .scratch \
	reports/costs.* reports/files.json reports/index.html reports/videos
COMPILED := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url
# Stages run plain `python`: DVC finds the one of the virtual environment first.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Nothing of this pipeline phones home.
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
export DVC_NO_ANALYTICS := true
export GRADIO_ANALYTICS_ENABLED := False
unexport PYTHONDONTWRITEBYTECODE
# What is typed after these names reaches the shell as it was typed, whatever characters a path has.
TYPED := VIDEO TRANSCRIPT JSON HTML ROW AGAINST VIDEOS
unexport $(TYPED)
$(foreach name,$(TYPED),$(eval export TYPED_$(name) := $$(value $(name))))

.PHONY: help setup demo ablations evidence transfer experiments encoders search rows foundation verify accept test bench ui summarise app export serve \
	summaries judge text-smoke rehearsal clean clean-all requirements

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(VENV)/.installed ## build .venv from the hashed requirements.txt

$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; try make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade >/dev/null
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --require-hashes --python $(BIN)/python -r requirements.txt
	@touch $@

$(VENV)/.tools: $(VENV)/.installed requirements-dev.txt
	$(BIN)/uv pip install --quiet --require-hashes --python $(BIN)/python -r requirements.txt -r requirements-dev.txt
	@touch $@

demo: setup ## run the whole pipeline on the embedded study and show the paper's table
	dvc repro
	@echo
	@cat reports/table.txt
	@echo
	@python -m stages.verify || true
	@echo
	@echo "Report:     $(CURDIR)/reports/index.html   (open it in a browser)"
	@echo "MLflow UI:  make ui"

ablations: setup ## Table 2 and what it omits, as queued DVC experiments; goes on where it stopped
	python -m stages.experiments ablations
	dvc repro --single-item report

evidence: setup ## ten seeds of the rows that decide, and the dose in between; goes on where it stopped
	python -m stages.experiments evidence
	dvc repro --single-item report

transfer: setup ## rows trained on short or long videos and tested on either, of study kitchen; goes on where it stopped
	python -m stages.experiments transfer
	dvc repro --single-item report

experiments: setup ## scores of the work tree and of every DVC experiment, in one table
	@python -m stages.overview

encoders: setup ## three more encoders side by side, a row each, where scale is full; STUDY=youcook2
	dvc exp run -S study=$(STUDY) -S 'more_encoders=[siglip2_b16,dinov3_b16,pe_core_b16]'

search: setup ## search for the settings of every row on the validation split (45 minutes on two cores); goes on where it stopped
	dvc repro weights weights_more extract_features extract_features_more
	python -m stages.search

rows: setup ## train all rows and seeds at once into .scratch, for `dvc repro` to publish: ENGINE=ray or slurm (docs/scale.md)
	dvc repro transcribe weights weights_more extract_features extract_features_more
	python -m stages.rows --engine $(ENGINE) $(if $(CORES),--cores $(CORES))

foundation: setup ## pretrain the mini models anew and say how far they are from those that are shipped (40 minutes on two cores)
	python -m stages.foundation

verify: setup ## compare the results in the work tree with those that are committed, row by row
	@python -m stages.verify

accept: setup ## put the table of the work tree into README.md
	@python -m stages.verify --accept

test: $(VENV)/.tools ## lint, types and tests
	ruff check .
	ruff format --check .
	mypy
	pytest -n 2 --dist loadscope --no-loadscope-reorder

bench: $(VENV)/.tools ## time frame sampling, a summary, feature extraction, training and a `dvc repro` with nothing to do, on this machine
	python -m benchmarks.sampling
	python -m benchmarks.summary
	python -m benchmarks.extraction
	python -m benchmarks.training
	@if dvc status --quiet; then echo; echo "dvc repro with nothing to do:"; time dvc repro --quiet; \
	else echo "dvc repro with nothing to do: not timed, the pipeline is not up to date"; fi

ui: setup ## browse runs, curves and artifacts in MLflow; PORT=5000
	@python -m stages.ui --port $(PORT)

summarise: setup ## the summary of a video, or of a folder's videos: VIDEO=path; ROW=clipsum TRANSCRIPT= LISTEN=1 JSON= HTML=
	@python -m stages.summarise --row="$$TYPED_ROW" $${TYPED_TRANSCRIPT:+--transcript="$$TYPED_TRANSCRIPT"} \
	$(if $(LISTEN),--listen) $${TYPED_JSON:+--json="$$TYPED_JSON"} $${TYPED_HTML:+--html="$$TYPED_HTML"} -- "$$TYPED_VIDEO"

app: setup ## a page on this machine to drop a video into: summary, frames, text, attention; ROW=clipsum PORT=5000 LISTEN=1
	@python -m stages.app --row="$$TYPED_ROW" --port $(PORT) $(if $(LISTEN),--listen)

export: setup ## a trained row as a folder to hand on, exports/<study>-<row>: weights, tokenizer, encoder, model card; ROW=clipsum
	@python -m stages.export --row="$$TYPED_ROW"

serve: setup ## a trained row behind HTTP on this machine, by MLflow: POST a video and its text; ROW=clipsum PORT=5000
	@python -m stages.serve --row="$$TYPED_ROW" --port $(PORT)

summaries: setup ## have reference summaries written by a chat endpoint (OPENAI_API_KEY), with a page to review them; STUDY=youcook2
	python -m stages.summaries --study $(STUDY)
	dvc add --quiet "$$(python -c 'from pipeline.base.params import load_study; print(load_study("$(STUDY)").dataset.folder)')/summaries.jsonl"

judge: setup ## a blinded page on which people judge the summaries of two rows (docs/judging.md); ROW=clipsum AGAINST=bart VIDEOS=40
	@python -m stages.judge --videos="$$TYPED_VIDEOS" -- "$$TYPED_ROW" "$$TYPED_AGAINST"

text-smoke: setup ## the text side of YouCook2 at mini size, on real annotations and transcripts (minutes)
	dvc exp run -S study=youcook2_text_smoke floors evaluate_text@bart

rehearsal: setup ## what full size costs: the youcook2 study on random weights and a handful of videos (hours; KEEP=1 keeps its files)
	python -m stages.rehearsal $(if $(KEEP),--keep)

requirements: setup ## compile requirements.txt and requirements-dev.txt anew from pyproject.toml
	$(BIN)/uv pip compile $(COMPILED) --all-extras pyproject.toml --output-file requirements.txt
	$(BIN)/uv pip compile $(COMPILED) --group dev --constraint requirements.txt --output-file requirements-dev.txt

clean: ## remove what can be made again and say what; MLflow's history and DVC's cache stay
	@for path in $(CLEANED); do if [ -e "$$path" ]; then echo "removed  $$(du -sh "$$path")"; rm -rf "$$path"; fi; done
	@echo "kept     mlflow.db, mlartifacts   MLflow's history: make clean-all"
	@echo "kept     .dvc/cache               from it \`dvc repro\` takes results that are unchanged; remove it yourself if nothing you added is in there"

clean-all: clean ## the same, and MLflow's history
	@for path in mlartifacts mlflow.db*; do if [ -e "$$path" ]; then echo "removed  $$(du -sh "$$path")"; rm -rf "$$path"; fi; done
