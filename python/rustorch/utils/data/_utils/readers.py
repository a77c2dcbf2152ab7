"""Plain tensors need no worker processes: threads of the trainer gather their rows without Python."""

import os
from collections.abc import Sequence
from typing import Any

from rustorch import Tensor
from rustorch._C import _data
from rustorch.utils.data._utils.collate import default_collate
from rustorch.utils.data.dataset import Subset, TensorDataset

# Batches that the ring holds beside those that are prepared ahead: what the trainer works on.
_HELD = 4


class Columns:
    """The tensors of a :class:`TensorDataset`, and which of their rows a :class:`Subset` of it names."""

    def __init__(self, tensors: Sequence[Tensor], chosen: list[Sequence[int]]) -> None:
        self.tensors = list(tensors)
        self._chosen = chosen
        self._length = len(self.tensors[0])

    def rows(self, index: Sequence[int]) -> list[int]:
        """The rows of positions in the data set; negative ones count from the end."""
        for chosen in self._chosen:
            index = [chosen[position] for position in index]
        if index and min(index) < 0:
            length = self._length
            # What is out of range both ways is refused where its batch would come.
            return [position + length * (position < 0) if position >= -length else length for position in index]
        return index  # type: ignore[return-value]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Columns)
            and len(self.tensors) == len(other.tensors)
            and all(mine is theirs for mine, theirs in zip(self.tensors, other.tensors, strict=True))
        )

    __hash__ = None  # type: ignore[assignment]


def native_columns(loader: Any) -> Columns | None:
    """The tensors whose rows are all that this loader's workers would look up; None where user code has a say."""
    if loader.collate_fn is not default_collate or loader.worker_init_fn is not None or not loader._auto_collation:
        return None
    dataset, chosen = loader.dataset, []
    while type(dataset) is Subset:
        chosen.append(dataset.indices)
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or not dataset.tensors:
        return None
    if not all(_is_plain(tensor) for tensor in dataset.tensors):
        return None
    return Columns(dataset.tensors, chosen)


def _is_plain(tensor: Tensor) -> bool:
    if type(tensor) is not Tensor or tensor.requires_grad or tensor.device.type != "cpu" or tensor.dim() == 0:
        return False
    return tensor.is_contiguous() or (len(tensor) > 0 and tensor[0].is_contiguous())


class Readers:
    """Clients of reader threads over the tensors of a loader. One whose epoch is over serves the next."""

    def __init__(self) -> None:
        self._idle: tuple[Columns, Any] | None = None
        self._owner = os.getpid()

    def start(self, columns: Columns, loader: Any) -> Any:
        idle, self._idle = self._idle, None
        if os.getpid() != self._owner:
            self._owner, idle = os.getpid(), None
        if idle is not None and idle[0] == columns:
            return idle[1]
        slots = loader.prefetch_factor * loader.num_workers + _HELD
        return _data.Client.with_tensors(columns.tensors, loader.num_workers, loader.batch_size or 1, slots)

    def take_back(self, columns: Columns, client: Any) -> bool:
        """Keeps the client for the next epoch, whatever this one left in it. False: it is dead."""
        if os.getpid() != self._owner or not client.drop_outstanding():
            return False
        self._idle = columns, client
        return True
