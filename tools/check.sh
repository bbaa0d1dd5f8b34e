#!/usr/bin/env bash
# Everything that can be said about the code without running it. All checks run; the exit code is 1 when any failed.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()

check() { # name, command…
    local start=$SECONDS name="$1"
    shift
    if output=$("$@" 2>&1); then
        printf '  ok    %-12s %3d s\n' "$name" $((SECONDS - start))
    else
        printf '  FAIL  %-12s %3d s: %s\n%s\n' "$name" $((SECONDS - start)) "$*" "$output"
        failed+=("$name")
    fi
}

check ruff ruff check --quiet .
check format ruff format --check --quiet .
check mypy mypy
check imports lint-imports
check sizes python tools/sizes.py
check generated python tools/generate.py --check
check pins python tools/pins.py --check
check hosts python tools/hosts.py
check rustfmt cargo fmt --all --check
check clippy cargo clippy --locked --workspace --all-targets --quiet -- --deny warnings

[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
