"""Where samples come from and what is done to each: a description that costs nothing until it is read."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rustorch._C import _data
from rustorch.data.batches import Batches
from rustorch.utils.data.dataset import Dataset

Path = str | os.PathLike[str]

# The random changes of images, by the name that `augment` takes, with their default options.
_CHANGES: dict[str, dict[str, Any]] = {"flip": {}, "crop": {"padding": 4}, "resized_crop": {}}


@dataclass(frozen=True, eq=False)
class Pipeline(Dataset[Any]):
    """Samples of a source, changed step by step. Every method gives a new pipeline.

    A pipeline is also a map-style data set: ``len(pipeline)``, ``pipeline[i]`` (a tuple of NumPy arrays and numbers, or
    what the last Python function made of it), and :class:`rustorch.utils.data.DataLoader` takes it.

    Raises, when it is first read or :meth:`batch` is called:
        OSError: a file cannot be read.
        RuntimeError: a file is damaged (its name and the offset are told).
        ValueError: steps do not fit the source.
    """

    origin: dict[str, Any]
    steps: tuple[Any, ...] = ()
    functions: tuple[Callable[[Any], Any], ...] = ()
    order: tuple[int, int] | None = None
    seed: int = 0
    root: str | None = None

    # ---- steps

    def _with(self, step: Any) -> "Pipeline":
        if self.functions:
            raise ValueError("native steps come before map(): a Python function's result is not a native sample")
        return replace(self, steps=(*self.steps, step))

    def decode(self, size: int, fit: str | None = None) -> "Pipeline":
        """Images decoded to ``size`` x ``size`` pixels, scaled while they are decoded."""
        return self._with({"decode": {"size": size} if fit is None else {"size": size, "fit": fit}})

    def augment(self, *names: str, **options: Any) -> "Pipeline":
        """Random changes of images, anew in each epoch: "flip", "crop" (``padding``), "resized_crop" (``scale``,
        ``ratio``)."""
        result = self
        for name in names:
            if name not in _CHANGES:
                raise ValueError(f"augment() knows {', '.join(_CHANGES)}; not {name!r}")
            chosen = {**_CHANGES[name], **options} if name != "flip" else {}
            result = result._with({name: chosen} if chosen or name != "flip" else "flip")
        return result

    def scale(self, by: float, add: float = 0.0, field: str | None = None) -> "Pipeline":
        """``element * by + add`` as float32, of one field; the first where none is named."""
        return self._with({"scale": {"by": by, "add": add, "field": field}})

    def normalize(self, mean: Sequence[float], std: Sequence[float]) -> "Pipeline":
        """``(element - mean) / std`` of the channels of images that have been scaled."""
        return self._with({"normalize": {"mean": list(mean), "std": list(std)}})

    def widen(self, field: str | None = None) -> "Pipeline":
        """Integers of one field as int64."""
        return self._with({"widen": {"field": field}})

    def map(self, function: Callable[[Any], Any]) -> "Pipeline":
        """What a Python function makes of each sample. Batches are then made by worker processes."""
        return replace(self, functions=(*self.functions, function))

    # ---- order

    def shuffle(self, seed: int = 0, block: int = 0, window: int = 0) -> "Pipeline":
        """A new random order each epoch. With ``block`` and ``window``, blocks of samples are read in runs and mixed
        within a window of so many blocks."""
        return replace(self, order=(block, window), seed=seed)

    def batch(self, size: int, **options: Any) -> Batches:
        """Batches of ``size`` samples; see :class:`Batches`."""
        return Batches(self, size, **options)

    # ---- samples

    @property
    def text(self) -> str:
        """The native part as JSON."""
        return json.dumps({"source": self.origin, "transforms": list(self.steps)})

    @property
    def source(self) -> Any:
        """The opened native part."""
        opened = self.__dict__.get("_opened")
        if opened is None:
            opened = self.__dict__["_opened"] = _data.Source(self.text, self.root)
        return opened

    @property
    def fields(self) -> list[tuple[str, str, list[int]]]:
        """Name, dtype and shape of the native fields of a sample."""
        return self.source.fields

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Any:
        length = len(self)
        if not -length <= index < length:
            raise IndexError(f"sample {index} is out of range for a source of {length} samples")
        # Numbers come as NumPy's numbers, not as arrays without a dimension.
        sample: Any = tuple(field.numpy()[()] for field in self.source.read(index % length))
        for function in self.functions:
            sample = function(sample)
        return sample

    def _rustorch_batch(self, indices: list[int], before: Callable[[int], None] | None) -> list[Any]:
        """The samples of a batch, whose native part is read at once; ``before`` is told of each but the first."""
        length = len(self)
        fields = self.source.read_many([index % length if -length <= index < 0 else index for index in indices])
        samples: list[Any] = list(zip(*(field.numpy() for field in fields), strict=True))
        if not self.functions:
            return samples
        for offset, sample in enumerate(samples):
            if offset and before is not None:
                before(offset)
            for function in self.functions:
                sample = function(sample)
            samples[offset] = sample
        return samples

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def __getstate__(self) -> dict[str, Any]:
        """Without the opened source: another process opens its own."""
        return {name: value for name, value in self.__dict__.items() if name != "_opened"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def _paths(given: tuple[Path, ...]) -> list[str]:
    if not given:
        raise ValueError("a source needs at least one path")
    return [_existing(path) for path in given]


def _existing(path: Path) -> str:
    os.stat(path)  # a name that leads nowhere is told where it was written, not when the first batch is asked for
    return os.path.abspath(path)


def npy(*paths: Path, root: str | None = None) -> Pipeline:
    """Rows of ``.npy`` files, mapped into memory: one field a file."""
    return Pipeline({"npy": {"paths": _paths(paths)}}, root=root)


def idx(*paths: Path, root: str | None = None) -> Pipeline:
    """Rows of IDX files (the format of MNIST; gzipped too): one field a file."""
    return Pipeline({"idx": {"paths": _paths(paths)}}, root=root)


def tar(*paths: Path, prefix: str = "", root: str | None = None) -> Pipeline:
    """Images and labels of WebDataset tar files; an index is kept beside each."""
    return Pipeline({"tar": {"paths": _paths(paths), "prefix": prefix}}, root=root)


def image_folder(path: Path, root: str | None = None) -> Pipeline:
    """Images in one folder for each class."""
    return Pipeline({"image_folder": {"path": _existing(path)}}, root=root)


def tokens(
    path: Path, window: int, stride: int | None = None, dtype: str = "uint16", root: str | None = None
) -> Pipeline:
    """Windows of a file of tokens."""
    options = {"path": _existing(path), "dtype": dtype, "window": window, "stride": stride}
    return Pipeline({"tokens": options}, root=root)
