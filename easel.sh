#!/bin/sh
# Runs Easel: ./easel.sh ARGS... is `easel ARGS...` in the environment that scripts/install makes at the first call.
here=$(dirname -- "$(readlink -f -- "$0")")
"$here/scripts/install" || exit
exec "${EASEL_VENV:-$here/.venv}/bin/easel" "$@"
