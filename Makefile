# Everything a newcomer needs: `make bench` runs the demo, `make test` runs the tests. Both set up .venv first. Linters and
# documentation have an environment of their own, so that no test passes by what they brought.
PYTHON ?= python3
VENV := .venv
CHECKS := .venv-checks
GPU := .venv-gpu
BIN := $(VENV)/bin
INSTALL := -m pip install --disable-pip-version-check --quiet --constraint constraints.txt
PIP := $(BIN)/python $(INSTALL)

.PHONY: help setup bench test gpu cpu hardware emulators mlserver triton browser long parity performance lint format docs clean study-robustmq study-merkel study-cluster

help:
	@echo "make bench        run the demo and write runs/demo/report.html"
	@echo "make test         run the tests"
	@echo "make gpu          run all that can run on this machine's NVIDIA GPU, into one archive; MINUTES=10 fits ten minutes"
	@echo "make cpu          the same for the engines of the processor"
	@echo "make hardware     put ARCHIVES=... of both into the table of docs/hardware.md"
	@echo "make emulators    install what plays other processors and boards in the tests, which are skipped without it"
	@echo "make mlserver     install the server that serves models to the tests, which are skipped without it (400 MB)"
	@echo "make triton       the same of Triton, for make long (450 MB)"
	@echo "make browser      install the browser in which the tests open reports; they are skipped without it"
	@echo "make long         run further cases of the tests: more models, more faults in real files (minutes)"
	@echo "make parity       compare the attacks with other libraries' on 1000 images (hours)"
	@echo "make performance  run the side-by-side speed comparisons"
	@echo "make study-robustmq  repeat RobustMQ on SHARED=../shared and write its page; IMAGES=50 is a glance (hours else)"
	@echo "make study-cluster  the plan for ImageNet on many nodes, from kept costs; PLAN='--price 0.05' and the like"
	@echo "make study-merkel  repeat Gorsline, Smith and Merkel likewise; DIGITS=50 is a glance"
	@echo "make lint         ruff, mypy, import-linter"
	@echo "make docs         build the documentation into site/"
	@echo "make setup        create .venv with what the demo needs"

# JetPack's and Debian's TensorRT is the system's own: an environment that is to see it looks there, too.
SYSTEM_TENSORRT := $(wildcard /usr/lib/python3*/dist-packages/tensorrt)
VENV_OPTIONS := $(if $(SYSTEM_TENSORRT),--system-site-packages)

$(VENV)/.base: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV_OPTIONS) $(VENV)
	$(PIP) --editable '.[cpu]'
	@touch $@

$(VENV)/.test: $(VENV)/.base
	$(PIP) --editable '.[cpu,torch,zoo,openvino,nncf,tensorrt-rtx,modelopt,decoders,loadgen,ray,remote,kserve,test]'
	$(PIP) --no-deps nvidia-modelopt onnx-graphsurgeon nvidia-nvimgcodec-cu12
	# Peers of our attacks. torchattacks pins a requests of 2020; foolbox's model zoo, unused here, wants more.
	$(PIP) --no-deps torchattacks foolbox eagerpy pyautoattack
	@touch $@

# TensorRT's and CUDA's Python bindings in several versions side by side, for the contract tests.
$(VENV)/.bindings: tests/tensorrt_stubs/versions.txt $(VENV)/.base
	while read -r folder packages; do \
		$(PIP) --no-deps --upgrade --target $(VENV)/tensorrt-bindings/$$folder $$packages || exit; \
	done <$<
	@touch $@

$(CHECKS)/.done: pyproject.toml constraints.txt
	test -x $(CHECKS)/bin/python || $(PYTHON) -m venv $(CHECKS)
	$(CHECKS)/bin/python $(INSTALL) --editable '.[cpu,openvino,lint,docs]'
	@touch $@

setup: $(VENV)/.base

bench: $(VENV)/.base
	$(BIN)/python bench.py --out runs/demo

# Each of the two processes has a core: more threads of PyTorch's would wait for one another.
test: $(VENV)/.test $(VENV)/.bindings
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 25 --durations-min 10 -m "not performance and not parity and not gpu and not long"

# What fits the GPU's driver is installed beside, in an environment of its own, by the steps themselves.
$(GPU)/.base: pyproject.toml constraints.txt
	test -x $(GPU)/bin/python || $(PYTHON) -m venv $(VENV_OPTIONS) $(GPU)
	$(GPU)/bin/python $(INSTALL) --editable '.[cpu]' pytest
	@touch $@

gpu: $(GPU)/.base
	PYTHONPATH=.:tests $(GPU)/bin/python -m gpukit gpu --install $(if $(MINUTES),--minutes $(MINUTES))

cpu: $(VENV)/.test
	PYTHONPATH=.:tests $(BIN)/python -m gpukit cpu $(if $(MINUTES),--minutes $(MINUTES))

hardware: $(VENV)/.base
	PYTHONPATH=.:tests $(BIN)/python -m gpukit hardware $(ARCHIVES)

emulators:
	tests/processors/install.sh
	tests/processors/sshd.sh
	PYTHON=$(PYTHON) tests/processors/arm_board.sh $(VENV)/emulators/arm

# MLServer wants packages of its own: it serves models to the tests from an environment beside.
mlserver:
	test -x $(VENV)/mlserver/bin/python || $(PYTHON) -m venv $(VENV)/mlserver
	$(VENV)/mlserver/bin/python -m pip install --disable-pip-version-check --quiet -r tests/mlserver/requirements.txt

# Debian's own Python: others are built without what it wants.
triton:
	test -x $(VENV)/triton/bin/python || /usr/bin/python3 -m venv $(VENV)/triton
	$(VENV)/triton/bin/python -m pip install --disable-pip-version-check --quiet nvidia-pytriton==0.7.0 onnxruntime==1.31.1

browser:
	tests/e2e/chromium.sh

long: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m long

parity: $(VENV)/.test
	$(BIN)/python -m pytest -m parity -s

$(VENV)/.performance: $(VENV)/.test
	$(PIP) --editable '.[cpu,torch,zoo,openvino,nncf,tensorrt-rtx,modelopt,decoders,loadgen,ray,remote,kserve,test,performance]'
	$(PIP) --no-deps imagecorruptions==1.1.2
	@touch $@

performance: $(VENV)/.performance
	$(BIN)/python -m pytest -m performance -s

# SHARED holds models/ and data/. A run that was interrupted goes on; STUDY=... are further flags of the runs.
SHARED ?= ../shared
IMAGES ?= 200
STUDY_RUN = $(BIN)/python bench.py $(STUDY) --limit $(IMAGES) --frost-textures $(SHARED)/data/frost
ROBUSTMQ := docs/studies/robustmq

study-robustmq: $(VENV)/.test
	$(STUDY_RUN) --config $(ROBUSTMQ)/cifar.yaml --model $(SHARED)/models/cifar10_resnet20.onnx \
		--data $(SHARED)/data/cifar10/test.npz --out runs/robustmq/cifar
	$(STUDY_RUN) --config $(ROBUSTMQ)/imagenet.yaml --preset imagenet-inception \
		--model $(SHARED)/models/imagenet_mobilenet_v1_075.onnx --data $(SHARED)/data/imagenet/val \
		--classes $(SHARED)/data/imagenet/classes.csv --calib $(SHARED)/data/imagenet/calib --out runs/robustmq/mobilenet
	$(STUDY_RUN) --config $(ROBUSTMQ)/imagenet.yaml --preset imagenet \
		--model $(SHARED)/models/imagenet_squeezenet1_1.onnx --data $(SHARED)/data/imagenet/val \
		--classes $(SHARED)/data/imagenet/classes.csv --calib $(SHARED)/data/imagenet/calib --out runs/robustmq/squeezenet
	$(BIN)/python $(ROBUSTMQ)/page.py --runs runs/robustmq

MERKEL := docs/studies/merkel
DIGITS ?= 1000
SEEDS ?= 0 1 2 3 4
MERKEL_RUN = $(BIN)/python bench.py $(STUDY) --config $(MERKEL)/run.yaml --data build/merkel/test.npz \
	--model build/merkel/seed$$seed/float.onnx \
	$(foreach bits,1 2 3 4 5 6 7 8 9 10,--variant levels-w$(bits)=build/merkel/seed$$seed/levels-w$(bits).onnx)

study-merkel: $(VENV)/.test
	PYTHONPATH=. $(BIN)/python $(MERKEL)/export.py --mnist $(SHARED)/data/mnist.npz --out build/merkel
	for seed in $(SEEDS); do $(MERKEL_RUN) --limit $(DIGITS) --conditions clean --conditions 'attack/*' \
		--out runs/merkel/seed$$seed || exit; done
	seed=0; $(MERKEL_RUN) --limit 200 --out runs/merkel/masking
	$(BIN)/python $(MERKEL)/page.py --runs runs/merkel --files build/merkel

# The plan on paper of docs/studies/cluster; PLAN="--price 0.05 --cores 16" are figures of your own.
study-cluster: $(VENV)/.test
	PYTHONPATH=. $(BIN)/python docs/studies/cluster/page.py $(PLAN)

lint: $(CHECKS)/.done
	$(CHECKS)/bin/ruff format --check .
	$(CHECKS)/bin/ruff check .
	$(CHECKS)/bin/mypy
	$(CHECKS)/bin/lint-imports

format: $(CHECKS)/.done
	$(CHECKS)/bin/ruff check --fix .
	$(CHECKS)/bin/ruff format .

docs: $(CHECKS)/.done
	$(CHECKS)/bin/mkdocs build --strict

clean:
	rm -rf $(VENV) $(CHECKS) $(GPU) site build dist .mypy_cache .ruff_cache .pytest_cache
