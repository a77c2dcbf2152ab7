"""The collector against native code that clones handles without the interpreter's lock.

The collector traverses twice. If what a wrapper shows of itself changed between, weak references to what it holds would
be cleared, and finalizers run, on live objects.
"""

import gc
import threading
import weakref

import rustorch as torch


class Thing:
    pass


def test_weak_references_survive_collections_during_native_work():
    t = torch.zeros(200_000)
    t.thing = Thing()
    reference = weakref.ref(t.thing)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            t.abs()  # clones the handle and lets go of the lock

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(150):
            gc.collect()
            assert reference() is t.thing
    finally:
        stop.set()
        thread.join()
