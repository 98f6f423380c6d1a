# Shared by the scripts beside it; sourced, never run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # for those who source this
python=/usr/bin/python3
script=$(basename "$0")

say() { printf '%s: %s\n' "$script" "$*"; }
die() {
    printf '%s: %s\n' "$script" "$*" >&2
    exit 1
}

# need PROGRAM PURPOSE: a missing program is named with the purpose that installs it.
need() {
    command -v "$1" >/dev/null ||
        die "$1 is missing; run: scripts/install-dependencies $2"
}

# build PRESET [TARGET...]: configure and build into build/PRESET, quietly unless it fails.
build() {
    local preset=$1 log
    shift
    log=$root/build/$preset.log
    mkdir -p "$root/build"
    say "building the $preset preset (log: build/$preset.log)"
    if ! (cd "$root" && cmake --preset "$preset" &&
        cmake --build --preset "$preset" ${1:+--target "$@"}) </dev/null >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        die "the build failed (the lines above say why; all of it: $log)"
    fi
}

# c_files: every C source and header of the project, in order.
c_files() {
    (cd "$root" && find . -path ./build -prune -o -path ./.git -prune -o \
        -type f -name '*.[ch]' -print | sed 's,^\./,,' | sort)
}
