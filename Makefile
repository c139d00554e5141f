# Every target does all of its own set-up, in .venv; the second time it starts at once.
PYTHON ?= python3
RUN := .venv/bin/python

.PHONY: demo test test-all clean

demo: .venv/.installed                  ## the whole pipeline on the miniature datasets, and on 92 real images
	$(RUN) -m convergence run demo.yml

test: .venv/.installed-tests            ## everything but the slow tests
	$(RUN) -m pytest -m "not slow"

test-all: demo .venv/.installed-tests   ## the demo and every test
	$(RUN) -m pytest

clean:                                  ## what the demo wrote; the virtual environment stays
	rm -rf demo

.venv/.installed: requirements.txt setup.py
	test -x $(RUN) || $(PYTHON) -m venv .venv
	$(RUN) -m pip install --disable-pip-version-check --quiet -r requirements.txt
	$(RUN) -m pip install --disable-pip-version-check --quiet -e .
	touch $@

.venv/.installed-tests: .venv/.installed tests/requirements.txt
	$(RUN) -m pip install --disable-pip-version-check --quiet -r tests/requirements.txt
	touch $@
