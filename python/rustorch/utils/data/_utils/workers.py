"""Starting worker processes over a job."""

import os
from typing import Any

from rustorch._C import _data
from rustorch.utils.data._utils.launch import fork_server

# Batches that the ring holds beside those that are prepared ahead: what the trainer works on.
_HELD = 4


def start_workers(loader: Any, base_seed: int) -> Any:
    """A client of new worker processes, which start while the data set is being packed."""
    slots = loader.prefetch_factor * loader.num_workers + _HELD
    # The next epoch's workers come from the same process.
    loader._fork_server = fork_server()
    client = _data.Client.with_workers(loader._fork_server, loader.num_workers, slots)
    # They start while this process imports what packs.
    from rustorch.utils.data._utils.packing import dump_into

    file = os.memfd_create("rustorch-job", os.MFD_CLOEXEC)
    try:
        dump_into(file, _job_of(loader, base_seed))
        client.set_job(file)
    except BaseException:
        client.close()
        raise
    finally:
        os.close(file)
    return client


def _job_of(loader: Any, base_seed: int) -> Any:
    from rustorch.utils.data._utils.job import Job

    return Job(
        dataset=loader.dataset,
        is_stream=loader._is_stream,
        auto_collation=loader._auto_collation,
        collate_fn=loader.collate_fn,
        drop_last=loader.drop_last,
        worker_init_fn=loader.worker_init_fn,
        num_workers=loader.num_workers,
        base_seed=base_seed,
        stream_keys=[None] * loader.batch_size if loader._is_stream and loader._auto_collation else None,
    )
