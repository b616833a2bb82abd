#!/bin/bash
# Builds and tests Dolmen. `tests/run.sh help` lists the modes; without one it does everything that a change must pass.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

jobs=$(nproc)
logs=$root/build/logs
# Client and fault tests start servers of their own: two at a time whatever the machine.
test_jobs=2
# Where threads meet: loops, drives, the index, the store, the server under load; the rest has one thread.
tsan_tests='^(test_(log|fiber|wait|uring|net|index|index_threads|drive_file|drive_fd|slab|gates|dedup|store_.*|exchange_socket|server_limits|tls|admin)|fault_kill9|fault_scrub|client_boto3)$'
build_minutes=15
step_minutes=25

failed=()
closing=()

usage() {
    cat <<'END'
tests/run.sh                    everything: packages, builds (gcc with sanitizers, release, clang, tsan), linters, all tests
tests/run.sh quick              build with sanitizers and run the tests labelled quick (under two minutes)
tests/run.sh fuzz SECONDS       each fuzzer for SECONDS; findings are kept in build/fuzz-artifacts
tests/run.sh sim SEEDS [FIRST]  the simulator on SEEDS seeds, from FIRST on (default 1)
tests/run.sh soak SECONDS       kill -9 under load, again and again, on the release build
tests/run.sh faults [KILLS [DAMAGES]]  rounds of kill -9 under load, and of damage while serving (1000, 200), on the release build
tests/run.sh bench [OPTION...]  throughput, latency and cost of the release build; options of bench/run.py
tests/run.sh lint               cppcheck, clang-tidy, shellcheck
tests/run.sh help               this text
END
}

say() { printf '\n=== %s\n' "$*"; }
die() {
    printf 'tests/run.sh: %s\n' "$*" >&2
    exit 2
}

# Sanitizers of gcc 12 and clang 14 need a memory layout that kernels with many bits of ASLR don't always give.
fixed_layout=()
if setarch "$(uname -m)" -R true 2>/dev/null; then
    fixed_layout=(setarch "$(uname -m)" -R)
fi

# step NAME COMMAND...: runs it; a failure is remembered and the run goes on. Usable for what later steps don't need.
step() {
    local name=$1 begin=$SECONDS
    shift
    say "$name"
    if "$@"; then
        printf -- '--- %s: passed (%d s)\n' "$name" $((SECONDS - begin))
    else
        printf -- '--- %s: FAILED (%d s)\n' "$name" $((SECONDS - begin))
        failed+=("$name")
    fi
}

install_packages() { tools/install-packages.sh; }

# build PRESET [TARGET...]
build() {
    local preset=$1
    shift
    if [[ $preset == clang ]]; then
        # No preset: it exists for clang's warnings and for the compile commands clang-tidy reads.
        cmake -S . -B build/clang -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_C_FLAGS=-O1 \
            -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >"$logs/configure-clang.log" || return 1
    else
        cmake --preset "$preset" >"$logs/configure-$preset.log" || return 1
    fi
    timeout "${build_minutes}m" ninja -C "build/$preset" -j "$jobs" --quiet "$@"
}

# The steps below that use a build are pointless without it.
build_or_stop() {
    local begin=$SECONDS
    say "build $1"
    if ! build "$@"; then
        printf -- '--- build %s: FAILED\n' "$1"
        exit 1
    fi
    printf -- '--- build %s: passed (%d s)\n' "$1" $((SECONDS - begin))
}

# ctest_in PRESET CTEST-ARGUMENTS...: output goes to the terminal and to build/logs; its closing lines are kept for the end.
ctest_in() {
    local preset=$1 log=$logs/ctest-$1.log status=0
    shift
    timeout --kill-after=30 "${step_minutes}m" "${fixed_layout[@]}" \
        ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$test_jobs" "$@" 2>&1 | tee "$log" || status=$?
    closing+=("$preset: $(grep -E 'tests passed|No tests' "$log" || echo 'did not end')")
    return "$status"
}

run_cppcheck() {
    timeout "${step_minutes}m" cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability \
        --suppressions-list=tests/tidy/cppcheck.txt -j "$jobs" -D__x86_64__ -I include \
        engine fsck gateway bench
}

run_clang_tidy() { tools/tidy.sh; }

run_shellcheck() {
    local scripts
    mapfile -t scripts < <(find . -path ./build -prune -o -path ./.git -prune -o \( -name '*.sh' -o -path ./.ci/run \) -type f -print)
    shellcheck "${scripts[@]}"
}

lint() {
    step shellcheck run_shellcheck
    step cppcheck run_cppcheck
    step clang-tidy run_clang_tidy
}

finish() {
    local line
    say "summary ($((SECONDS / 60)) min $((SECONDS % 60)) s)"
    for line in "${closing[@]}"; do printf '%s\n' "$line"; done
    if ((${#failed[@]} > 0)); then
        printf 'FAILED: %s\n' "${failed[*]}"
        exit 1
    fi
    printf 'all passed\n'
}

mode_all() {
    install_packages
    build_or_stop dev
    build_or_stop release
    build_or_stop clang
    lint
    build_or_stop tsan
    step "tests under tsan" ctest_in tsan -R "$tsan_tests"
    step "clients, faults and the long simulator runs in the release build" ctest_in release -L 'clients|faults|release'
    step "all tests under asan and ubsan" ctest_in dev -LE release
    finish
}

mode_quick() {
    install_packages
    build_or_stop dev
    step "quick tests under asan and ubsan" ctest_in dev -L quick
    finish
}

# One fuzzer, from its committed seeds and what earlier runs found.
fuzz_one() {
    local program=$1 seconds=$2 name seeds grown artifacts
    name=$(basename "$program")
    seeds=tests/fuzz/corpus/$name
    grown=build/fuzz-corpus/$name
    artifacts=build/fuzz-artifacts/$name
    mkdir -p "$grown" "$artifacts"
    timeout --kill-after=10 $((seconds + 60)) "${fixed_layout[@]}" "$program" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$artifacts/" "$grown" "$seeds" >"$logs/$name.log" 2>&1 || {
        tail -n 40 "$logs/$name.log"
        return 1
    }
    grep -E 'stat::number_of_executed_units|DONE' "$logs/$name.log"
}

mode_fuzz() {
    local seconds=${1:-} program
    [[ $seconds =~ ^[0-9]+$ ]] || die "fuzz needs a number of seconds for each fuzzer"
    install_packages
    build_or_stop fuzz
    for program in build/fuzz/fuzz/*; do
        if [[ -x $program && ! -d $program ]]; then
            step "$(basename "$program")" fuzz_one "$program" "$seconds"
        fi
    done
    finish
}

# Seeds FIRST to LAST in the release build, a hundred at a time on every core; each line tells of one hundred.
sim_seeds() {
    local first=$1 last=$2 at
    for ((at = first; at <= last; at += 100)); do
        printf -- '--seeds %d --first %d\n' $((last - at < 99 ? last - at + 1 : 100)) "$at"
    done | xargs -P "$jobs" -L 1 build/release/tests/sim_run
}

mode_sim() {
    local seeds=${1:-} first=${2:-1}
    [[ $seeds =~ ^[0-9]+$ && $first =~ ^[0-9]+$ && $seeds -gt 0 ]] || die "sim needs a number of seeds, and a first seed if not 1"
    install_packages
    build_or_stop release
    step "simulator, seeds $first to $((first + seeds - 1))" sim_seeds "$first" $((first + seeds - 1))
    finish
}

mode_soak() {
    local seconds=${1:-}
    [[ $seconds =~ ^[0-9]+$ ]] || die "soak needs a number of seconds"
    install_packages
    build_or_stop release
    step "kill -9 for $seconds s" timeout --kill-after=30 $((seconds + 300)) \
        /usr/bin/python3 tests/faults/kill9.py --build build/release --seconds "$seconds" --seed "$RANDOM"
    finish
}

# Each with a seed of its own, which it prints; a pool that is full is followed by a fresh one.
mode_faults() {
    local kills=${1:-1000} damages=${2:-200}
    [[ $kills =~ ^[0-9]+$ && $damages =~ ^[0-9]+$ ]] || die "faults takes a number of kills, and a number of damages"
    install_packages
    build_or_stop release
    step "$kills rounds of kill -9" timeout --kill-after=30 $((kills * 30 + 300)) \
        /usr/bin/python3 tests/faults/kill9.py --build build/release --rounds "$kills" --seed "$RANDOM"
    step "$damages rounds of damage" timeout --kill-after=30 $((damages * 60 + 300)) \
        /usr/bin/python3 tests/faults/damage_rounds.py --build build/release --rounds "$damages" --seed "$RANDOM"
    finish
}

mode_bench() {
    install_packages
    build_or_stop release
    timeout --kill-after=30 60m /usr/bin/python3 bench/run.py --build build/release "$@"
}

mkdir -p "$logs"
mode=${1:-all}
(($# == 0)) || shift
case $mode in
all | quick | fuzz | sim | soak | faults | bench) "mode_$mode" "$@" ;;
lint)
    build_or_stop clang
    lint
    finish
    ;;
help | -h | --help) usage ;;
*)
    usage >&2
    die "unknown mode: $mode"
    ;;
esac
