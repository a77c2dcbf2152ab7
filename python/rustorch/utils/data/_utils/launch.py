"""How worker processes are started; the trainer does this before anything else, so it imports next to nothing."""

import subprocess
import sys

from rustorch._C import _data

_PROGRAM = "rustorch.utils.data._utils.program"
# Without the collector: what is imported stays, and looking through it again and again takes a fifth of the time.
_CODE = (
    "import gc, sys; gc.disable(); sys.path[:] = {path!r}; sys.argv[:] = {argv!r}; "
    "from {module} import main; main({early!r})"
)
# What a job is likely to need, some of it only where the trainer has it: imported once, while the job is being packed.
_ALWAYS = ("cloudpickle",)
_IF_LOADED = ("numpy",)


def command() -> tuple[str, list[str]]:
    """The interpreter and its arguments: this one's flags and import path, and the worker's program."""
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    early = [name for name in _IF_LOADED if name in sys.modules] + [*_ALWAYS]
    code = _CODE.format(path=sys.path, argv=sys.argv, module=_PROGRAM, early=early)
    return sys.executable, [*flags, "-c", code]


def fork_server() -> _data.ForkServer:
    """The process whose forks are the workers: another one only where flags, import path, environment or folder have
    changed. It lives as long as somebody keeps this."""
    return _data.ForkServer(*command())
