"""Worker processes for pipelines with Python functions."""

import os
from typing import TYPE_CHECKING, Any

from rustorch._C import _data
from rustorch.utils.data._utils.collate import default_collate
from rustorch.utils.data._utils.encoding import encode
from rustorch.utils.data._utils.job import Job
from rustorch.utils.data._utils.launch import fork_server
from rustorch.utils.data._utils.packing import dump_into

if TYPE_CHECKING:
    from rustorch.data.pipeline import Pipeline


def job_of(pipeline: "Pipeline", workers: int) -> Job:
    """What the workers are given."""
    return Job(
        dataset=pipeline,
        is_stream=False,
        auto_collation=True,
        collate_fn=default_collate,
        drop_last=False,
        worker_init_fn=None,
        num_workers=workers,
        base_seed=pipeline.seed,
        stream_keys=None,
    )


def packed(pipeline: "Pipeline", workers: int) -> int:
    """The descriptor of a memory file with the job."""
    file = os.memfd_create("rustorch-job", os.MFD_CLOEXEC)
    try:
        dump_into(file, job_of(pipeline, workers))
    except BaseException:
        os.close(file)
        raise
    return file


def bytes_of_sample(pipeline: "Pipeline") -> int:
    """Bytes of a sample in a batch, with room to spare: the first sample's, made here."""
    if not len(pipeline):
        return 0
    skeleton, tensors = encode(default_collate([pipeline[0]]))
    bytes_each = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return bytes_each + bytes_each // 4 + len(skeleton)


def open_workers(pipeline: "Pipeline", plan: dict[str, Any], workers: int, slots: int, state: Any) -> Any:
    """A client of worker processes that make the plan's batches."""
    source = pipeline.source
    options = (len(source), source.fingerprint, plan, fork_server(), workers, slots, state)
    client = _data.Client.of_workers(*options)
    try:
        file = packed(pipeline, workers)
        try:
            client.set_job(file)
        finally:
            os.close(file)
    except BaseException:
        client.close()
        raise
    return client
