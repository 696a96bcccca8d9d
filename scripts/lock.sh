#!/bin/sh
# Compiles requirements/*.txt from pyproject.toml. Called by `make lock`; takes the path of uv and its extra options.
set -eu

uv=$1
shift

compile() {
    target=requirements/$1.txt
    shift
    echo "requirements: $target"
    "$uv" pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
        --output-file "$target" "$@"
}

# One resolution: every file is constrained by the one that it extends, so that they can share one environment.
compile runtime pyproject.toml "$@"
compile test pyproject.toml --group test --constraint requirements/runtime.txt "$@"
compile soak pyproject.toml --group soak --constraint requirements/test.txt "$@"
compile bench pyproject.toml --group bench --constraint requirements/soak.txt "$@"
compile lint pyproject.toml --group lint --constraint requirements/bench.txt "$@"
compile build --group build --constraint requirements/lint.txt "$@"
compile lock --group lock --constraint requirements/lint.txt "$@"

# A lock file names packages and hashes, never where one machine happened to fetch them.
if grep -nE '(https?|file)://|^-|[[:space:]]@[[:space:]]' requirements/*.txt; then
    echo "requirements: the lines above name a location; a lock file must not" >&2
    exit 1
fi
