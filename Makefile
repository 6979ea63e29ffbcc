# The commands that README names. Everything is installed into .venv, by the
# versions of constraints.txt; nothing outside this folder is touched, but for
# the lab's Debian packages (make lab).

# The distribution's own Python, when it is of the same version and has venv:
# it is optimised, most that were built by hand are not, and take half as long
# again.
SAME = import sys, venv, ensurepip; print(sys.version_info[:2])
PYTHON ?= $(shell test "`/usr/bin/python3 -c '$(SAME)' 2>&1`" = \
  "`python3 -c '$(SAME)' 2>&1`" && echo /usr/bin/python3 || echo python3)
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready
JOBS ?= 4
LAB = tests/lab/lab
DRILLS ?= lab_full

.PHONY: help install drill test lint types test-fences test-aodh lab test-nova test-lab bench clean

help:
	@echo "make drill      a compute host dies in a simulated cloud; watch"
	@echo "make test       unit tests, scenarios, the real engine"
	@echo "make test-fences  the fences against real devices' emulators"
	@echo "make test-aodh  the notifier in Aodh's own library (installs it)"
	@echo "make lint       ruff, yamllint, mypy, the workbook's lint"
	@echo "make lab        a real OpenStack control plane on loopback"
	@echo "make test-nova  a real Nova host dies in it, and its VMs come back"
	@echo "make test-lab   drills on the full lab, with their own Mistral (half an hour)"
	@echo "make bench      the figures of docs/performance.md"

install: $(READY)

$(READY): setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  -c constraints.txt -e '.[engine,test]'
	@touch $(READY)

drill: $(READY)
	@$(BIN)/ha-pack drill

test: $(READY)
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal -m 'not lab and not fences'

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/yamllint workbooks policy.example.yaml tests/scenarios
	@$(BIN)/python -m ha_installer.lint

types: $(READY)
	@$(BIN)/mypy -p ha_actions -p ha_installer -p ha_alarms

lab:
	@$(LAB) up

test-nova: $(READY)
	@$(LAB) up
	@$(BIN)/python -m pytest -q -m lab tests/lab; status=$$?; $(LAB) down; exit $$status

# Real fence devices on loopback: BMC emulators, ipmitool, fence agents.
# IRONIC=1: a standalone Ironic, too, in a venv of its own (320 MB).
test-fences: $(READY)
	@for c in ipmitool ipmi_sim fence_ipmilan; do command -v $$c >/dev/null || \
	  { echo "$$c is missing: apt-get install ipmitool openipmi fence-agents" >&2; \
	    exit 2; }; done
	@test -z "$(IRONIC)" || test -x $(VENV)/ironic/.ready || \
	  { echo "installing Ironic into $(VENV)/ironic ..." && \
	    $(PYTHON) -m venv $(VENV)/ironic && \
	    $(VENV)/ironic/bin/python -m pip install --quiet \
	      --disable-pip-version-check -r tests/fences/requirements-ironic.txt && \
	    install -m 755 /dev/null $(VENV)/ironic/.ready; }
	@IRONIC=$(IRONIC) $(BIN)/python -m pytest -q -m fences tests/fences

# The notifier in Aodh's own library, our event definitions in Ceilometer's.
test-aodh: $(READY)
	@test -x $(VENV)/aodh/bin/python || $(PYTHON) -m venv $(VENV)/aodh
	@$(VENV)/aodh/bin/python -m pip install --quiet \
	  --disable-pip-version-check -r tests/aodh/requirements.txt
	@$(VENV)/aodh/bin/python -m pip install --quiet --no-deps \
	  --disable-pip-version-check --no-build-isolation -e .
	@$(VENV)/aodh/bin/python -m pytest -q -W ignore -m aodh tests/aodh

# The whole control plane, Mistral distributed, the pack installed in it: so
# many of them side by side share the drills, for a drill mostly waits. The
# first starts beside the installation, the others while its drills run. They
# are taken down again however this ends. DRILLS="lab_full and lab_core": those
# that CI runs.
LABS ?= 2
test-lab:
	@trap 'for n in $$(seq $(LABS)); do HA_LAB=$$n $(LAB) down & done; wait' \
	    EXIT; \
	  trap 'exit 130' INT TERM; \
	  $(MAKE) -s --no-print-directory install & installed=$$!; \
	  HA_LAB=1 $(LAB) up --full || exit; \
	  wait $$installed || exit; \
	  $(BIN)/python -u -m pytest -v --durations=0 --durations-min=1 \
	    -n $(LABS) --dist loadscope --no-loadscope-reorder \
	    -m "$(DRILLS)" tests/lab

bench: $(READY)
	@$(BIN)/python -m ha_installer.bench

clean:
	rm -rf $(VENV) build *.egg-info
