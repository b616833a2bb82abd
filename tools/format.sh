#!/bin/bash
# Formats every C file of the tree in place, by .clang-format; with file names, only those.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

files=("$@")
if ((${#files[@]} == 0)); then
    mapfile -t files < <(find bench engine gateway include tests -name '*.[ch]' -type f | sort)
fi
clang-format -i "${files[@]}"
