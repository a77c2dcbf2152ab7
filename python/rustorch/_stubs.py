"""Writes ``_C.pyi``, the types of the native module, from its table of operations.

``python -m rustorch._stubs`` writes it, ``python -m rustorch._stubs --check`` says whether it is fresh.
"""

import sys
from pathlib import Path

from rustorch import _C

PATH = Path(__file__).with_name("_C.pyi")


def main(arguments: list[str]) -> int:
    """Returns the exit status: 1 where a check finds the file stale."""
    text = _C._stub()
    if arguments == ["--check"]:
        if PATH.exists() and PATH.read_text(encoding="utf-8") == text:
            return 0
        print(f"{PATH} is not what the table of operations says: run `make stubs`.", file=sys.stderr)
        return 1
    PATH.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
