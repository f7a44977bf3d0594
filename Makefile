# The few commands of this project; each is a plain line that can be typed by hand.
.PHONY: demo test lint servers screenshots

# The console on a throw-away PostgreSQL that leaves nothing behind. What is missing is
# asked for first. The development profile: a release build would take minutes longer.
demo:
	@sh tests/install-servers.sh --ask
	cargo build --locked
	@cargo run --locked --quiet -- demo

# Everything that has to hold: unit, property, house and live tests against real servers.
test: servers
	cargo test --locked
	cargo test --locked --features failpoints --test crash_matrix

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets --all-features -- -D warnings

# Draws the pictures in screenshots/ anew, from the real program in a pseudo-terminal.
screenshots: servers
	HANDOVER_SCREENSHOTS=1 cargo test --locked --test live screenshots::

# Makes sure that PostgreSQL's server programs are there. Debian's package would also
# create and start a system cluster; that is switched off first.
servers:
	@sh tests/install-servers.sh
