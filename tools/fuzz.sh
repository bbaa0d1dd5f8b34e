#!/bin/sh
# Build a fuzz target and run it: tools/fuzz.sh json_predict [libFuzzer options, -max_total_time=660].
# Stable Rust suffices: the flags that instrument the code are those cargo-fuzz would pass to a nightly.
set -eu
target=$1
shift
cd "$(dirname "$0")/../fuzz"
export RUSTC_BOOTSTRAP=1
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1"
# With an explicit host, build scripts are not instrumented.
cargo build --release --target "$host" --bin "$target"
mkdir -p "corpus/$target" "artifacts/$target"
exec "${CARGO_TARGET_DIR:-target}/$host/release/$target" \
    -artifact_prefix="artifacts/$target/" -max_len=4096 -timeout=10 "$@" "corpus/$target" "seeds/$target"
