#!/bin/sh
# Runs every check and every test; arguments go to pytest. The tools are installed at the first call.
here=$(dirname -- "$(readlink -f -- "$0")")
"$here/scripts/install" dev || exit
"$here/scripts/axe" || echo "test: axe-core could not be fetched; the tests of access are skipped." >&2
"$here/scripts/check" || export EASEL_CHECKS_FAILED=1 # tests/conftest.py tells it again at the end
"$here/scripts/test" "$@" || exit
[ -z "${EASEL_CHECKS_FAILED:-}" ]
