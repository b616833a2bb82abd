#!/bin/bash
# clang-tidy, by .clang-tidy, on every C file that the clang build compiles; with file names, only those. Any finding fails.
# Needs build/clang/compile_commands.json: `tests/run.sh lint` makes it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

commands=build/clang/compile_commands.json
[[ -f $commands ]] || {
    echo "tools/tidy.sh: no $commands: run tests/run.sh lint" >&2
    exit 2
}

files=("$@")
if ((${#files[@]} == 0)); then
    mapfile -t files < <(find bench engine fsck gateway -name '*.c' -type f | sort)
fi
# Files that no target compiles have no command line to check them with.
compiled=()
for file in "${files[@]}"; do
    if grep -qF "\"$PWD/$file\"" "$commands"; then compiled+=("$file"); fi
done
((${#compiled[@]} > 0)) || exit 0

printf '%s\0' "${compiled[@]}" |
    xargs -0 -n 1 -P "$(nproc)" timeout 10m clang-tidy -p build/clang --quiet --warnings-as-errors='*' 2>&1 |
    { grep -vE '^[0-9 ]*warnings? (generated|treated)|^Suppressed|^Use -header-filter' || true; }
