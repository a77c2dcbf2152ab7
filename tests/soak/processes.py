"""Processes of a soak, as the system lists them."""

import os
import signal
import threading
import time
from contextlib import suppress

MARK = "RUSTORCH_SOAK_FOLDER"


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid):
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):  # it, or a thread of it, has just ended
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(FileNotFoundError, ProcessLookupError):
                with open(f"/proc/{pid}/task/{thread}/children") as file:
                    found += [int(word) for word in file.read().split()]
    return sorted(child for child in found if alive(child))


def descendants(folder):
    """Living processes that the soak in this folder started, however indirectly."""
    setting = f"{MARK}={folder}".encode()
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            with open(f"/proc/{name}/environ", "rb") as file:
                if setting in file.read().split(b"\0") and alive(int(name)):
                    found.append(int(name))
    return found


def delay_of(pid):
    """When the process was born, and for how long it was ready to run since and got no processor, as the kernel counts;
    in seconds."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    with open(f"/proc/{pid}/schedstat") as file:
        delay = int(file.read().split()[1])
    return int(fields[19]) / os.sysconf("SC_CLK_TCK"), delay / 1e9


def running_workers(pids):
    """The workers among them that are not stopped, with their :func:`delay_of`: not those that only start workers."""
    found = {}
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{pid}/stat") as file:
                name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
            if name == "rustorch-worker" and rest.split()[0] not in "TZX":
                found[pid] = delay_of(pid)
    return found


def until(condition, what, patience=10.0):
    begin = time.monotonic()
    while not (result := condition()):
        assert time.monotonic() - begin < patience, what
        time.sleep(0.002)
    return result


class Stops:
    """Stopped processes, each of which a timer continues."""

    def __init__(self):
        self.timers = []

    def stop(self, pid, seconds, spans):
        """Says in ``spans`` from when to when."""

        def go_on():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            spans.append((begin, time.monotonic()))

        begin = time.monotonic()
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        timer = threading.Timer(seconds, go_on)
        timer.start()
        self.timers.append(timer)

    def over(self):
        for timer in self.timers:
            timer.join()
