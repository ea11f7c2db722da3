# Two commands matter to a newcomer: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
INFRA := tests/cluster/infra
PYTEST := $(PY) -m pytest -q

##@ Start here
.PHONY: demo test check help
demo: venv  ## four models on a real cluster (or as local processes), asked for predictions
	$(PY) demo/run.py

test: venv compiled  ## every test, those on a real API server and a real cluster included
	MODELMOOR_COMPILED=Always $(PYTEST) -n 2 --timeout 300 tests/unit tests/golden tests/contract
	MODELMOOR_COMPILED=Always $(PYTEST) --timeout 900 tests/clients
	$(PYTEST) --timeout 300 tests/controlplane
	$(PYTEST) --timeout 900 tests/cluster

check: venv  ## the quick half: lint, types, imports, generated files, unit, golden and contract tests
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/shellcheck $(INFRA)/*.sh $(INFRA)/*/*.sh tests/clients/*.sh tests/bench/*.sh tools/*.sh
	$(PY) -m modelmoor_operator.api.crd --check
	$(PY) tools/protos.py --check
	MODELMOOR_COMPILED=Never $(PYTEST) -n 2 --timeout 300 -m "not slow" tests/unit tests/golden tests/contract

help:  ## this list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*##/ {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ While working
.PHONY: venv compiled fmt generate golden lock clients test-controlplane test-cluster
venv:  ## .venv with everything, at locked versions
	@tools/venv.sh

compiled: venv  ## a request's way compiled by mypyc, as in the image (20 seconds); edited modules run as Python until then
	@MODELMOOR_COMPILED=Never $(PY) -m modelmoor_server.compiled.build

fmt: venv  ## format and mend what a linter can
	.venv/bin/ruff check -q --fix-only .
	.venv/bin/ruff format -q .

generate: venv  ## write crds/, the charts' copies and the field reference from the types; the server's protobuf descriptors
	$(PY) -m modelmoor_operator.api.crd
	$(PY) tools/protos.py

golden: venv  ## write the golden files anew; review the difference like prose
	MODELMOOR_UPDATE_GOLDEN=1 $(PYTEST) tests/golden

lock: venv  ## resolve the versions anew: requirements/*.txt, also those of the tests' clients and of the bench's peers
	.venv/bin/uv pip compile -q --upgrade requirements/dev.in -o requirements/dev.txt --no-emit-index-url --no-header --no-annotate
	for set in requirements/operator serving-image/requirements/{full,sklearn,compile}; do \
	  .venv/bin/uv pip compile -q $$set.in -c requirements/dev.txt -o $$set.txt --no-emit-index-url --no-header --no-annotate; done
	for set in $(basename $(wildcard tests/clients/*/requirements.in)); do \
	  .venv/bin/uv pip compile -q --upgrade $$set.in --python-version 3.11 -o $$set.txt --no-emit-index-url --no-header --no-annotate; done
	for set in $(basename $(wildcard requirements/bench/*.in)); do \
	  .venv/bin/uv pip compile -q --upgrade $$set.in -c <(grep -E '^(scikit-learn|joblib)==' requirements/dev.txt) \
	    --python-version 3.11 -o $$set.txt --no-emit-index-url --no-header --no-annotate; done

clients: venv compiled  ## real clients in Python, JavaScript, Go and Java against a server process: one table (installs them once)
	$(PYTEST) --timeout 900 tests/clients

test-controlplane: venv  ## the tests on a real API server without nodes
	$(PYTEST) --timeout 300 tests/controlplane

test-cluster: venv  ## the tests on the kind cluster
	$(PYTEST) --timeout 900 tests/cluster

##@ Longer than a test run
.PHONY: test-versions chaos drain test-keda
VERSION_TESTS := $(patsubst %,tests/controlplane/test_%.py,schema versions children drift replicas lifecycle rollout refusals rights)
test-versions: venv  ## CRD, golden objects and server-side apply on the oldest and the newest Kubernetes (builds each once)
	set -e; for minor in $$($(INFRA)/program.sh kubernetes); do \
	  echo "Kubernetes $$minor"; MODELMOOR_KUBERNETES=$$minor $(PYTEST) --timeout 300 $(VERSION_TESTS); done

test-keda: venv  ## autoscaling by a real KEDA, on a control plane without nodes (builds KEDA once, which takes long)
	$(PYTEST) --timeout 300 tests/keda

chaos: venv  ## faults before a real API server, each compared with the end without (an hour and a half on a busy machine; CHAOS=--help, CHAOS="--seed 7")
	PYTHONPATH=tests $(PY) -m chaos $(CHAOS)

drain: venv  ## a node is drained under load, on a cluster of two nodes that is made for it and deleted (4 minutes)
	trap '$(INFRA)/down.sh modelmoor-drain' EXIT; timeout 1500 $(PYTEST) --timeout 900 -rA tests/drain

##@ Figures
.PHONY: bench bench-quick scale soak neighbours overload
bench: venv compiled  ## this server and its peers, one core each, in turn: rates, latency, memory, goals (an hour; BENCH=--help)
	PYTHONPATH=tests $(PY) -m bench $(BENCH)

bench-quick: venv compiled  ## the essential rows of it: two models, the best peers (10 minutes; BENCH="--only iris --rounds 1")
	PYTHONPATH=tests $(PY) -m bench --quick $(BENCH)

scale: venv  ## 1,000 models at once and 10,000 at rest, without nodes: figures beside their goals (SCALE=--help)
	@mkdir -p build
	$(PY) tests/perf/scale.py $(SCALE)

soak: venv compiled  ## a million answers, each compared with the in-process one, then memory under 30 minutes of load (SOAK=--help)
	PYTHONPATH=tests $(PY) -m soak $(SOAK)

neighbours: venv compiled  ## health and a small model while the worst allowed request is in work (a minute; NEIGHBOURS=--help)
	$(PY) tests/perf/neighbours.py $(NEIGHBOURS)

overload: venv compiled  ## several times what a model can answer: who is answered, and how soon it is over (OVERLOAD=--help)
	$(PY) tests/perf/overload.py $(OVERLOAD)

##@ The cluster
.PHONY: cluster images clean-cluster
cluster:  ## the kind cluster, made or mended
	$(INFRA)/up.sh

images:  ## both images, built and loaded into the cluster
	$(INFRA)/images.sh load

clean-cluster:  ## remove the kind cluster
	$(INFRA)/down.sh
