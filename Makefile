PYTHON ?= python3
VENV := $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
NODE_CLIENTS := tests/interfaces/clients/node
AGREEING := A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total does it take?
DISPUTED := Josh decides to try flipping a house. He buys a house for 80,000 dollars and then puts in 50,000 dollars in repairs. This increased the value of the house by 150%. How much profit did he make?

# The tests start hundreds of processes, which share compiled bytecode.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo check test test-mcp-1 test-vllm test-timing test-browser test-clients test-all exam fuzz bench soak lint clean

help: ## Show the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.local: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[batch,local,plot]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.local

demo: $(VENV)/.local ## Answer two questions on the embedded engine, the second one with a synthesis
	$(BIN)/a2r ask --config local "$(AGREEING)"
	$(BIN)/a2r ask --config local --set explorer.samples=4 --set explorer.sampling.temperature=1 --set gate.rule=always "$(DISPUTED)"

check: $(VENV)/.dev ## Run the tests without processes, sockets and long measurements, in under a minute
	$(BIN)/python -m pytest -n 2 -m "not integration and not timing and not vllm and not browser and not clients"

test: $(VENV)/.dev ## Set up and run all tests but those of a real vLLM
	$(BIN)/python -m pytest

test-vllm: $(VENV)/.dev ## Prepare a real vLLM for CPU (3.4 GB) and run against two replicas of it
	$(BIN)/python -m tests.inference.vllm.prepare
	$(BIN)/python -m pytest -n 0 -m vllm tests/inference/vllm

test-timing: $(VENV)/.dev ## Run the tests that measure how time grows with long texts, alone
	$(BIN)/python -m pytest -n 0 -m timing

test-browser: $(VENV)/.dev ## Run the tests of web pages in a headless Chromium (Debian: apt install chromium)
	$(BIN)/python -m pytest -n 0 -m browser tests/interfaces

$(VENV)-%/.dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)-$*
	$(VENV)-$*/bin/python -m pip install --quiet --upgrade pip
	$(VENV)-$*/bin/python -m pip install --quiet --editable '.[dev-$*]'
	@touch $@

test-mcp-1: $(VENV)-mcp-1/.dev ## Run the tests of the MCP server with version 1 of the mcp SDK: the newest, and 1.24
	$(VENV)-mcp-1/bin/python -m pip install --quiet --upgrade 'mcp<2'
	$(VENV)-mcp-1/bin/python -m pytest tests/interfaces/mcp_server
	$(VENV)-mcp-1/bin/python -m pip install --quiet 'mcp==1.24.0'
	$(VENV)-mcp-1/bin/python -m pytest tests/interfaces/mcp_server

$(NODE_CLIENTS)/node_modules: $(NODE_CLIENTS)/package.json
	@if command -v npm >/dev/null; then cd $(@D) && npm install --no-package-lock --no-audit --no-fund && touch node_modules; \
	else echo "npm is missing: the tests of clients for Node are skipped"; fi

test-clients: $(VENV)-clients/.dev $(VENV)-instructor/.dev $(NODE_CLIENTS)/node_modules ## Run the tests of `a2r serve` with other clients, in environments of their own
	$(VENV)-clients/bin/python -m pytest -n 0 -m clients tests/interfaces/clients
	$(VENV)-instructor/bin/python -m pytest -n 0 -m clients tests/interfaces/clients/test_instructor.py

test-all: test test-timing test-mcp-1 test-clients test-vllm test-browser soak ## Run all tests; version 1 of the mcp SDK, other clients, a real vLLM, Chromium and the soak included

exam: $(VENV)/.dev ## Measure the answer code beside math-verify, and on RECORDINGS=folder beside its authors
	$(BIN)/python -m tests.answers.golden.exam $(if $(RECORDINGS),--recordings $(RECORDINGS))

fuzz: $(VENV)/.dev ## Compare generated pairs of answers for half an hour; fail on a false equality
	$(BIN)/python -m tests.answers.fuzz --minutes 30

bench: $(VENV)/.dev ## Measure speed against baselines in the same run; fail beyond a limit
	$(BIN)/python -m benchmarks.answers
	$(BIN)/python -m benchmarks.orchestration
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.load
	$(BIN)/python -m benchmarks.fairness
	$(BIN)/python -m benchmarks.hard_comparisons
	$(BIN)/python -m benchmarks.recovery

soak: $(VENV)/.dev ## Compare the accounting with faulty servers over a thousand questions; kill and resume a hundred runs
	$(BIN)/python -m benchmarks.soak
	$(BIN)/python -m benchmarks.odd_servers
	$(BIN)/python -m benchmarks.crash_recovery 100
	$(BIN)/python -m benchmarks.batch_recovery

lint: $(VENV)/.dev ## Check formatting, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean: ## Remove the virtual environment and caches (models stay)
	rm -rf $(VENV) $(VENV)-mcp-1 $(VENV)-clients $(VENV)-instructor $(NODE_CLIENTS)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
