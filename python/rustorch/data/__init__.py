"""Data as pipelines: files, what is done to each sample, and in which order batches come.

A pipeline is read by native threads of this process, by a service of its own (:func:`serve`, :func:`connect`, the
program ``rustorch-data``), or, where it holds a Python function, by worker processes. The order is a pure function of
(seed, epoch, position), so a stream can be continued anywhere, by any number of workers.

Example::

    >>> import numpy, tempfile
    >>> from rustorch import data
    >>> path = tempfile.mkdtemp() + "/x.npy"
    >>> numpy.save(path, numpy.arange(6, dtype=numpy.uint8).reshape(6, 1))
    >>> batches = data.npy(path).scale(1 / 2).batch(4)
    >>> [batch[0].flatten().tolist() for batch in batches]
    [[0.0, 0.5, 1.0, 1.5], [2.0, 2.5]]
"""

from rustorch.data.batches import Batches, Skipped
from rustorch.data.pipeline import Pipeline, idx, image_folder, npy, tar, tokens
from rustorch.data.service import Service, connect, serve

__all__ = [
    "Batches",
    "Pipeline",
    "Service",
    "Skipped",
    "connect",
    "idx",
    "image_folder",
    "npy",
    "serve",
    "tar",
    "tokens",
]
