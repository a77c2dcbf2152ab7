"""The program of a service process that a script started."""

import json
import os
import shutil
import signal
import threading
from typing import Any, NoReturn

from rustorch._C import _data


def main(options: dict[str, Any]) -> None:
    """Serves until SIGTERM comes or the script ends. The first word says that clients can connect, or why not."""
    # Until the service hears of it: an exception, so that the folder is taken away.
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_the_script, args=(options["life"],), daemon=True).start()

    def say(word: dict[str, Any]) -> None:
        with os.fdopen(options["ready"], "w") as first_word:
            json.dump(word, first_word)

    said: list[bool] = []

    def ready() -> None:
        said.append(True)
        say({})

    try:
        _data.serve(options, ready)
    except Exception as error:
        if said:
            raise
        say({"error": type(error).__name__, "text": str(error)})
    finally:
        if options["folder"] is not None:
            # The script may have ended without taking its private folder away.
            shutil.rmtree(options["folder"], ignore_errors=True)


def _leave(number: int, frame: object) -> NoReturn:
    raise SystemExit(0)


def _end_with_the_script(life: int) -> None:
    os.read(life, 1)
    os.kill(os.getpid(), signal.SIGTERM)
