"""`python -m easel.cli`: the same as the `easel` command, for where the script is not on the path."""

import sys

from easel.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
