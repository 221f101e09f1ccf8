# The two commands are `make book` and `make test`; each first installs whatever it needs.
# Steps longer than a line or two live in scripts/.

PYTHON ?= python3

# Real microscopy data that somebody has already downloaded beside the checkout, or none.
ifneq ($(wildcard ../shared/data),)
export AIMICRO_DATA_DIR ?= $(abspath ../shared/data)
else ifndef AIMICRO_DATA_DIR
export AIMICRO_WITHOUT_DATA ?= 1
endif

.PHONY: help book test check install lab bench clean

help:   ## say what can be made
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

book: .venv/.installed vendor/_static/mathjax  ## run every notebook and build the book into _build/html
	@scripts/build_book.sh

test: install  ## build the book and check everything
	@scripts/test.sh

check: .venv/.installed  ## check the code alone: lint, types, unit tests, in minutes
	@scripts/test.sh lint types unit

install: .venv/.installed vendor/_static/mathjax  ## install what the book and its tests need
	@scripts/chromium.sh

lab: .venv/.installed  ## open the notebooks in JupyterLab
	PATH="$(CURDIR)/.venv/bin:$$PATH" jupyter lab notebooks

bench: .venv/.installed  ## time the slow parts; make bench BEFORE=commit compares with that commit
	@scripts/bench.sh $(BEFORE)

clean:  ## remove everything that was installed or built
	rm -rf .venv _build vendor build src/*.egg-info

.venv/.installed: requirements.txt pyproject.toml
	@scripts/install.sh $(PYTHON)

vendor/_static/mathjax: scripts/fetch_mathjax.sh | .venv/.installed
	@scripts/fetch_mathjax.sh
