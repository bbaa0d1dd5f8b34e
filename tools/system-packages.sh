#!/usr/bin/env bash
# Installs what tools/system-packages.txt lists and the machine lacks: as root on Debian or Ubuntu by itself, otherwise
# it prints the command. Exits 1 when something required is missing and could not be installed.
set -euo pipefail
list="$(dirname "$0")/system-packages.txt"

lacking() { # required|optional
    local need name use
    while read -r need name use; do
        [ "$need" = "$1" ] || continue
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || echo "$name"
    done <"$list"
}

what_for() {
    awk -v name="$1" '$2 == name { need = $1; $1 = $2 = ""; sub(/^ +/, ""); print need ": " $0 }' "$list"
}

if ! command -v dpkg-query >/dev/null; then
    echo "system packages: this is not Debian or Ubuntu; it needs a C compiler's linker, and $(python3 --version 2>&1) with venv"
    exit 0
fi
mapfile -t missing < <(lacking required; lacking optional)
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "system packages: not root, so these are not installed: ${missing[*]}"
    echo "hint: sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}"
else
    echo "system packages: installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || echo "system packages: apt-get update failed; going on with the lists that are there"
    # Debian makes and starts a database server with the package; the tests start their own.
    case " ${missing[*]} " in *" postgresql "*)
        mkdir -p /etc/postgresql-common/createcluster.d
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/none.conf
    esac
    for name in "${missing[@]}"; do
        apt-get install -y -qq --no-install-recommends "$name" >/dev/null 2>&1 ||
            echo "system packages: cannot install $name ($(what_for "$name"))"
    done
fi

# What counts is what works, not how it was installed: a Python from elsewhere brings its own venv.
failed=0
command -v cc >/dev/null || { echo "error: no C compiler (cc): Rust links with it"; failed=1; }
"${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || { echo "error: ${PYTHON:-python3} has no venv"; failed=1; }
exit $failed
