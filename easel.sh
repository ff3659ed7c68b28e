#!/bin/sh
# Runs Easel: ./easel.sh ARGS... is `easel ARGS...` in the environment that scripts/install makes at the first call;
# without arguments it serves the page, and opens it where there is a browser.
here=$(dirname -- "$(readlink -f -- "$0")")
"$here/scripts/install" || exit
[ $# -gt 0 ] || set -- serve --open
exec "${EASEL_VENV:-$here/.venv}/bin/easel" "$@"
