# What a person or CI does with this tree. Plain `make` prints a line of help for each.

CARGO ?= cargo
DATA ?= ./postkey-data
# Where test processes say how they started NATS and PostgreSQL.
HOW = $(or $(CARGO_TARGET_DIR),target)/servers/how.log

.PHONY: help run test soak bench lint up down

help: ## This help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start postkey on $(DATA) with a demo service and users (postkey up --demo)
	@[ -x $${CARGO_TARGET_DIR:-target}/debug/postkey ] || echo "building postkey: the first time takes some minutes" >&2
	@$(CARGO) run --quiet --package postkey -- up --demo --data $(DATA)

test: ## Build everything and run every test: crates, journeys, bad input, faults; ends by saying how servers were started
	@rm -f $(HOW)
	@$(CARGO) build --workspace && $(CARGO) test --workspace --no-fail-fast; status=$$?; \
	LC_ALL=C sort -u $(HOW) 2>/dev/null | \
	awk '{ all = all (NR > 1 ? ", " : "") $$0 } END { print "servers: " (NR ? all : "none was started") }'; \
	exit $$status

soak: ## What is longer than a test may be: races of 40 writers on three servers, kills in turn
	$(CARGO) build --workspace
	$(CARGO) test --package postkey-event-log --test soak -- --nocapture
	$(CARGO) test --package postkey-tests --test soak -- --nocapture

# QUICK=1: a smoke run of a few seconds a row. ROWS="logins edits-sqlite": these only.
bench: ## Measure against raw operations and peers (some 20 minutes; QUICK=1: a smoke run)
	nice $(CARGO) build --release --package postkey --package postkey-load
	nice $(CARGO) build --release --manifest-path tests/load/peers/Cargo.toml --target-dir target/peers
	$${CARGO_TARGET_DIR:-target}/release/load bench --peers target/peers/release/peers $(if $(QUICK),--quick) $(ROWS:%=--only %)

lint: ## Check the format, and clippy with warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings

up: ## Bring up the whole cluster by Docker Compose; tokens and endpoints go to $(DATA)
	@infra/up.sh $(DATA)

down: ## Stop it; VOLUMES=1 removes its data too, for good
	@VOLUMES=$(VOLUMES) infra/down.sh $(DATA)
