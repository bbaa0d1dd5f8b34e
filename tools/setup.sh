#!/usr/bin/env bash
# Makes this clone ready to run: system packages, .venv with the pinned packages, the Rust extension, the commands,
# TensorFlow.js where there is npm.
# Every step leaves a stamp in .venv and is skipped while what it was made from is unchanged. PYTHON says which Python.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
venv=.venv
stamps="$venv/stamps"

fail() { # message, hint
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

# Whether stamp $1 was made from the same content as the files that follow.
fresh() { [ "$(cat "$stamps/$1" 2>/dev/null)" = "$(digest "${@:2}")" ]; }
stamp() { digest "${@:2}" >"$stamps/$1"; }
digest() { find "$@" -type f -not -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum | sha256sum; }

command -v "$python" >/dev/null || fail "there is no $python" "install Python 3.10 or newer, or say PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$("$python" --version) is too old" "install Python 3.10 or newer, or say PYTHON=/path/to/python3"

if ! fresh system tools/system-packages.txt; then
    PYTHON="$python" tools/system-packages.sh || fail "something this needs is missing" "see the lines above"
fi
[ -x "$HOME/.cargo/bin/cargo" ] && PATH="$PATH:$HOME/.cargo/bin"
command -v cargo >/dev/null || fail "there is no cargo: the data plane is Rust" "install Rust with rustup, from rustup.rs"

if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    echo "setup: making $venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
mkdir -p "$stamps"
stamp system tools/system-packages.txt

if ! fresh packages constraints.txt; then
    echo "setup: installing the pinned packages, TensorFlow among them; some minutes the first time"
    # Every file is checked against its hash in constraints.txt; nothing outside of it is installed.
    "$venv/bin/pip" install --disable-pip-version-check --quiet --no-deps --only-binary :all: \
        --require-hashes -r constraints.txt
    # Some packages name tensorflow itself; tensorflow-cpu is that, under another name (tool.uv in pyproject.toml).
    if wrong=$("$venv/bin/pip" check --disable-pip-version-check); then wrong=; fi
    wrong=$(grep -v 'requires tensorflow, which is not installed' <<<"$wrong" || true)
    [ -z "$wrong" ] || fail "the pinned packages do not fit together: $wrong" "make pins resolves them anew"
    stamp packages constraints.txt
fi

rust=(crates proto Cargo.toml Cargo.lock rust-toolchain.toml pyproject.toml)
if ! fresh extension "${rust[@]}" || ! [ -e src/taxiway/_server.abi3.so ]; then
    echo "setup: building the data plane"
    # Editable: Python's files are used where they lie, the extension is put among them. maturin is in the environment.
    PATH="$PWD/$venv/bin:$PATH" "$venv/bin/pip" install --disable-pip-version-check --quiet --no-deps \
        --no-build-isolation --editable . || fail "the data plane did not build" "cargo build --release -p taxiway-python says why"
    stamp extension "${rust[@]}"
fi

if ! fresh browser src/taxiway/browser/packages; then
    echo "setup: installing TensorFlow.js for browser artefacts"
    # One part of several: without npm, or without its registry, everything else is set up.
    if "$venv/bin/taxiway" browser install >/dev/null; then
        stamp browser src/taxiway/browser/packages
    else
        echo "setup: until 'taxiway browser install' succeeds, browser artefacts are neither built nor tested"
    fi
fi
