#!/bin/bash
# Installs the Debian packages of packages.txt that are missing; does nothing, and needs no network, when all are there.
#   tools/install-packages.sh           install
#   tools/install-packages.sh --check   only say what is missing; ends with 1 when something is
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
list=$root/packages.txt

say() { printf 'install-packages: %s\n' "$*"; }
die() {
    printf 'install-packages: %s\n' "$@" >&2
    exit 1
}

is_installed() {
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true) == installed ]]
}

has_candidate() {
    local policy
    policy=$(apt-cache policy "$1" 2>/dev/null) || return 1
    [[ $policy == *"Candidate: "* && $policy != *"Candidate: (none)"* ]]
}

# Fills `missing` with the lines of packages.txt none of whose alternatives is installed.
find_missing() {
    local line name alternatives found
    missing=()
    while IFS= read -r line; do
        line=${line%%#*}
        line=${line//[[:space:]]/}
        [[ -n $line ]] || continue
        IFS='|' read -ra alternatives <<<"$line"
        found=no
        for name in "${alternatives[@]}"; do
            if is_installed "$name"; then found=yes; fi
        done
        [[ $found == yes ]] || missing+=("$line")
    done <"$list"
}

# Fills `chosen` with one package per missing line, `unknown` with the lines the archive lists don't know.
choose() {
    local line name alternatives pick
    chosen=()
    unknown=()
    for line in "${missing[@]}"; do
        IFS='|' read -ra alternatives <<<"$line"
        pick=
        for name in "${alternatives[@]}"; do
            if [[ -z $pick ]] && has_candidate "$name"; then pick=$name; fi
        done
        if [[ -n $pick ]]; then chosen+=("$pick"); else unknown+=("$line"); fi
    done
}

for tool in dpkg-query apt-get apt-cache; do
    command -v "$tool" >/dev/null || die "this is not a Debian system: no $tool" \
        "install the equivalents of the packages in $list by hand"
done

find_missing
if ((${#missing[@]} == 0)); then
    say "everything is installed"
    exit 0
fi
say "missing: ${missing[*]}"
[[ ${1:-} != --check ]] || exit 1

as_root=()
if ((EUID != 0)); then
    command -v sudo >/dev/null || die \
        "not root and no sudo here; as root, run:" "    apt-get update && apt-get install --no-install-recommends ${missing[*]%%|*}"
    as_root=(sudo)
fi
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}
install_chosen() {
    say "apt-get install ${chosen[*]}"
    apt install -y --no-install-recommends "${chosen[@]}"
}

# Known and current lists need no update; stale ones show as an unknown package or a failed download.
choose
if ((${#unknown[@]} > 0)) || ! install_chosen; then
    say "apt-get update"
    apt update || die "apt-get update failed: check the network and /etc/apt/sources.list, then run this again"
    choose
    ((${#unknown[@]} == 0)) || die \
        "not in this system's archive: ${unknown[*]}" "Dolmen is built and tested on Debian 12 and 13, section main"
    install_chosen || die "apt-get install failed (see above); repair it and run this again"
fi

find_missing
((${#missing[@]} == 0)) || die "still missing after the installation: ${missing[*]}"
say "done"
