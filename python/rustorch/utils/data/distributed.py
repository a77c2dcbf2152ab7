"""The sampler that gives each process of a distributed job its own share of a data set."""

import math
from collections.abc import Iterator
from typing import Any

import rustorch
from rustorch import Generator
from rustorch.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every ``num_replicas``-th position of a common order, starting from ``rank``.

    The shares are equally long: the order is filled up from its own beginning, or with ``drop_last`` cut.

    Args:
        dataset: what has the positions.
        num_replicas: how many processes share it; None asks ``rustorch.distributed``.
        rank: which of them this one is; None asks ``rustorch.distributed``.
        shuffle: whether the order is random: the same on all processes, another each epoch (see :meth:`set_epoch`).
        seed: where the random order starts from.
        drop_last: cut instead of filling up.

    Raises:
        ValueError: ``rank`` is not below ``num_replicas``.

    Example::

        >>> from rustorch.utils.data import DistributedSampler
        >>> list(DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
        [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None:
            num_replicas = int(rustorch.distributed.get_world_size())
        if rank is None:
            rank = int(rustorch.distributed.get_rank())
        if rank >= num_replicas or rank < 0:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        size = len(dataset)
        self.num_samples = size // num_replicas if drop_last else math.ceil(size / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        order = list(range(len(self.dataset)))
        if self.shuffle:
            generator = Generator()
            generator.manual_seed(self.seed + self.epoch)
            order = rustorch.randperm(len(self.dataset), generator=generator).tolist()
        if not self.drop_last and order:
            order *= math.ceil(self.total_size / len(order))
        return iter(order[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Makes the next iterations follow the random order of that epoch."""
        self.epoch = epoch
