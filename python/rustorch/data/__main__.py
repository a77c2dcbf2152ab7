"""``python -m rustorch.data``: the program ``rustorch-data``."""

import signal
import sys

from rustorch._C import _data


def main() -> int:
    """Runs the command line; returns the exit status."""
    # The interpreter's own handler would wait for bytecode, of which there is none until the program ends.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _data.command_line(["rustorch-data", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
