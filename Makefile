# What a person or CI does with this tree. Plain `make` prints a line of help for each.

CARGO ?= cargo
DATA ?= ./postkey-data

.PHONY: help run test lint up down

help: ## This help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start postkey on $(DATA) with a demo service and users (postkey up --demo)
	$(CARGO) run --quiet --package postkey -- up --demo --data $(DATA)

test: ## Build everything and run every test: crates, journeys, bad input, faults
	$(CARGO) build --workspace
	$(CARGO) test --workspace --no-fail-fast

lint: ## Check the format, and clippy with warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings

up: ## Bring up the whole cluster by Docker Compose; tokens and endpoints go to $(DATA)
	@infra/up.sh $(DATA)

down: ## Stop it; VOLUMES=1 removes its data too, for good
	@VOLUMES=$(VOLUMES) infra/down.sh $(DATA)
