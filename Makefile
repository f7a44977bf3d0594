# The few commands of this project; each is a plain line that can be typed by hand.
.PHONY: demo test soak bench lint deny servers screenshots

# The console on a throw-away server that leaves nothing behind: `make demo ENGINE=mysql` and
# `ENGINE=mariadb` are not on PostgreSQL. What is missing is asked for first. The development
# profile: a release build would take minutes longer.
ENGINE = postgres
demo:
	@sh tests/install-servers.sh --ask $(ENGINE)
	cargo build --locked
	@cargo run --locked --quiet -- demo --engine $(ENGINE)

# Everything that has to hold: unit, property, house and live tests against real servers,
# on the system's PostgreSQL, and again on PostgreSQL 18 what depends on its version. The last
# is a table of the cases that were seen: every case on every engine, or what kept it away.
CASES = $(CURDIR)/target/cases-of-this-run
# Live tests wait more than they work.
test: export RUST_TEST_THREADS = $(shell expr 3 '*' $$(getconf _NPROCESSORS_ONLN))
test: servers
	rm -f $(CASES) && mkdir -p $(dir $(CASES))
	HANDOVER_CASES=$(CASES) cargo test --locked
	HANDOVER_CASES=$(CASES) cargo test --locked --features failpoints --test crash_matrix
	HANDOVER_CASES=$(CASES) sh tests/on-postgres-18.sh
	@HANDOVER_CASES=$(CASES) sh tests/table-of-cases.sh

# The same promises for longer: the model with a million cases, then at least 200 rotations
# and crashes at random moments under clients that reconnect, for so many minutes.
MINUTES = 30
ifndef SEED
SEED := $(shell od -An -N8 -tu8 /dev/urandom | tr -d ' ')
endif
soak: servers
	@echo "to repeat: make soak MINUTES=$(MINUTES) SEED=$(SEED)"
	HANDOVER_TEST_SEED=$(SEED) HANDOVER_MODEL_CASES=1000000 \
		cargo test --locked --lib no_sequence_of_mishaps_breaks_a_promise -- --nocapture
	HANDOVER_TEST_SEED=$(SEED) HANDOVER_SOAK_MINUTES=$(MINUTES) \
		cargo test --locked --test live soak:: -- --ignored --nocapture
	cargo test --locked --test live storm:: -- --ignored --nocapture
	cargo test --locked --test live idle:: -- --ignored --nocapture

# What the drain costs, beside a floor in the same run: figures, and no test of a time.
bench: servers
	cargo bench --locked --bench drain

# What changes with this tree alone; vulnerabilities become known at any time, so that they
# are `make deny`'s.
lint:
	cargo fmt --check
	cargo clippy --locked --all-targets --all-features -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --locked check licenses bans sources; \
	else echo "LEFT OUT: cargo-deny is not here, so that licences and sources are not looked at"; fi

# Licences, sources and known vulnerabilities of all dependencies, as deny.toml wants them.
deny:
	cargo deny --locked check

# Draws the pictures in screenshots/ anew, from the real program in a pseudo-terminal.
screenshots: servers
	HANDOVER_SCREENSHOTS=1 cargo test --locked --test live screenshots::

# Makes sure that the programs of PostgreSQL, MySQL and MariaDB are there. Debian's package
# of PostgreSQL would also create and start a system cluster; that is switched off first.
servers:
	@sh tests/install-servers.sh
