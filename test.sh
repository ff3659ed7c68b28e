#!/bin/sh
# Runs every check and every test; arguments go to pytest. The tools are installed at the first call.
here=$(dirname -- "$(readlink -f -- "$0")")
"$here/scripts/install" dev || exit
"$here/scripts/check" || export EASEL_CHECKS=failed # tests/conftest.py says so again before pytest's closing line
"$here/scripts/test" "$@"
status=$?
[ -z "${EASEL_CHECKS:-}" ] || [ "$status" -ne 0 ] || status=1
exit "$status"
