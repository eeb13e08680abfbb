# What a person or CI does with this tree. Plain `make` prints a line of help for each.

CARGO ?= cargo
DATA ?= ./postkey-data
# The same, where somebody names it: a cluster goes on with the folder that it has.
NAMED = $(if $(filter file,$(origin DATA)),,$(DATA))
# Where test processes say how they started NATS, PostgreSQL and Chromium.
HOW = $(or $(CARGO_TARGET_DIR),target)/servers/how.log

.PHONY: help run test soak bench lint fuzz-api up down

help: ## This help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start postkey on $(DATA) with a demo service, users and a sign-in to its panel (postkey up --demo)
	@[ -x $${CARGO_TARGET_DIR:-target}/debug/postkey ] || echo "building postkey: the first time takes some minutes" >&2
	@$(CARGO) run --quiet --package postkey -- up --demo --data $(DATA)

test: ## Build everything and run every test: crates, journeys, bad input, faults; ends by saying how servers and the browser were started
	@rm -f $(HOW)
	@$(CARGO) build --workspace && $(CARGO) test --workspace --no-fail-fast; status=$$?; \
	LC_ALL=C sort -u $(HOW) 2>/dev/null | \
	awk '{ all = all (NR > 1 ? ", " : "") $$0 } END { print "servers and browser: " (NR ? all : "none was started") }'; \
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

fuzz-api: ## Hold both services against their OpenAPI documents, on both kinds of stores, for long (EXAMPLES=500: longer)
	$(CARGO) build --workspace
	EXAMPLES=$(or $(EXAMPLES),50) $(CARGO) test --package postkey-tests --test fuzz --test fuzz_on_servers -- --nocapture

lint: ## Check the format, and clippy with warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings

up: ## Bring up the whole cluster by Docker Compose; tokens and endpoints go to $(DATA)
	@infra/up.sh $(NAMED)

down: ## Stop it; VOLUMES=1 removes its data too, for good
	@VOLUMES=$(VOLUMES) infra/down.sh $(NAMED)
