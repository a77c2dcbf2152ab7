"""How a worker process is started; the trainer does this before anything else, so it imports next to nothing."""

import subprocess
import sys

_PROGRAM = "rustorch.utils.data._utils.program"
# Without the collector: what is imported stays, and looking through it again and again takes a fifth of the time.
_CODE = (
    "import gc, sys; gc.disable(); sys.path[:] = {path!r}; sys.argv[:] = {argv!r}; "
    "from {module} import main; main({early!r})"
)
# What a job is likely to need where the trainer has it: imported while the job is still being packed.
_EARLY = ("numpy",)


def command() -> tuple[str, list[str]]:
    """The interpreter and its arguments: this one's flags and import path, and the worker's program."""
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    early = [name for name in _EARLY if name in sys.modules]
    code = _CODE.format(path=sys.path, argv=sys.argv, module=_PROGRAM, early=early)
    return sys.executable, [*flags, "-c", code]
