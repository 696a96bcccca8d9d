#!/bin/sh
# Makes a virtual environment with the first Python that can: 3.11 or newer, with venv and ensurepip.
# usage: scripts/venv.sh DIRECTORY        PYTHON=/path/to/python names one interpreter and tries no other
set -eu

target=$1
too_old=
no_venv=

for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
    # Run it instead of looking it up: a version manager's shim exists for versions that it does not serve.
    version=$("$candidate" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
    if ! "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        too_old="$too_old $candidate ($version)"
        continue
    fi
    if ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
        no_venv="$no_venv $candidate ($version)"
        continue
    fi
    echo "Setting up $target with $candidate ($version); the first time this takes about a minute."
    exec "$candidate" -m venv --clear "$target"
done

{
    if [ -n "${PYTHON:-}" ]; then
        echo "error: PYTHON=$PYTHON cannot be used: it must be Python 3.11 or newer, with the venv module."
    else
        echo "error: no Python 3.11 or newer (with the venv module) was found on PATH."
    fi
    [ -z "$too_old" ] || echo "  too old:$too_old"
    [ -z "$no_venv" ] || echo "  without the venv module:$no_venv; on Debian and Ubuntu: apt-get install python3-venv"
    echo "  Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.12 ..."
} >&2
exit 1
