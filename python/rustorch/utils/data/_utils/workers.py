"""Starting worker processes over a job."""

from typing import Any

from rustorch.utils.data._utils.making import Job
from rustorch.utils.data._utils.packing import dump_into
from rustorch.utils.data._utils.processes import WorkerProcesses


def start_workers(loader: Any, base_seed: int) -> Any:
    """A client of new worker processes, which start while the data set is being packed."""
    processes = WorkerProcesses(loader.num_workers)
    try:
        dump_into(processes.job, _job_of(loader, base_seed))
    except BaseException:
        processes.close()
        raise
    return processes


def _job_of(loader: Any, base_seed: int) -> Job:
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
