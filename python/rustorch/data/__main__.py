"""``python -m rustorch.data``: the program ``rustorch-data``."""

import sys

from rustorch._C import _data


def main() -> int:
    """Runs the command line; returns the exit status."""
    return _data.command_line(["rustorch-data", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
