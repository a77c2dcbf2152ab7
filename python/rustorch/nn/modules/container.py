"""Modules that hold modules: Sequential, ModuleList and ModuleDict."""

from __future__ import annotations

import operator
import warnings
from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import chain, islice
from typing import Any, TypeVar

from rustorch.nn.modules.module import Module
from rustorch.nn.modules.tree import indented

__all__ = ["Container", "ModuleDict", "ModuleList", "Sequential"]

SequentialType = TypeVar("SequentialType", bound="Sequential")
ModuleListType = TypeVar("ModuleListType", bound="ModuleList")


class Container(Module):
    """The base class of old; `Module` itself does all that it did."""

    def __init__(self, **kwargs: Any) -> None:
        warnings.warn(
            "`nn.Container` is deprecated. All of its functionality is now implemented in `nn.Module`. Subclass that "
            "instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__()
        for name, module in kwargs.items():
            self.add_module(name, module)


def _without_numbers(names: list[str]) -> list[str]:
    return [name for name in names if not name.isdigit()]


class Sequential(Module):
    """Modules called one after the other, given in order or as an ``OrderedDict`` of names.

    >>> from rustorch import nn
    >>> nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
    )
    """

    _modules: dict[str, Module]

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = (
            args[0].items()
            if len(args) == 1 and isinstance(args[0], OrderedDict)
            else ((str(i), m) for i, m in enumerate(args))
        )
        for name, module in named:
            self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)
        return input

    def _item(self, items: Iterable[Any], index: Any) -> Any:
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range")
        return next(islice(items, index % len(self), None))

    def __getitem__(self, idx: slice | int) -> Any:
        if isinstance(idx, slice):
            return type(self)(OrderedDict(list(self._modules.items())[idx]))
        return self._item(self._modules.values(), idx)

    def __setitem__(self, idx: int, module: Module) -> None:
        setattr(self, self._item(self._modules.keys(), idx), module)

    def __delitem__(self, idx: slice | int) -> None:
        names = list(self._modules)[idx] if isinstance(idx, slice) else [self._item(self._modules.keys(), idx)]
        for name in names:
            delattr(self, name)
        # Later modules move up, so that the numbers stay without gaps.
        self._modules = OrderedDict((str(i), module) for i, module in enumerate(self._modules.values()))

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __dir__(self) -> list[str]:
        return _without_numbers(super().__dir__())

    def _check_sequential(self, other: Any) -> None:
        if not isinstance(other, Sequential):
            raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")

    def __add__(self, other: Sequential) -> Sequential:
        self._check_sequential(other)
        return Sequential(*self, *other)

    def __iadd__(self: SequentialType, other: Sequential) -> SequentialType:
        self._check_sequential(other)
        return self.extend(list(other))

    def _check_factor(self, other: Any) -> None:
        if not isinstance(other, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(other)}")
        if other <= 0:
            raise ValueError(f"Non-positive multiplication factor {other} for {type(self)}")

    def __mul__(self, other: int) -> Sequential:
        self._check_factor(other)
        return Sequential(*(list(self) * other))

    def __rmul__(self, other: int) -> Sequential:
        return self.__mul__(other)

    def __imul__(self: SequentialType, other: int) -> SequentialType:
        self._check_factor(other)
        return self.extend(list(self) * (other - 1))

    def pop(self, key: int | slice) -> Any:
        """Take out and return the module, or the modules of a slice."""
        taken = self[key]
        del self[key]
        return taken

    def append(self: SequentialType, module: Module) -> SequentialType:
        """Add ``module`` at the end."""
        self.add_module(str(len(self)), module)
        return self

    def insert(self: SequentialType, index: int, module: Module) -> SequentialType:
        """Put ``module`` before position ``index``."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        count = len(self)
        if not -count <= index <= count:
            raise IndexError(f"Index out of range: {index}")
        _shift_in(self._modules, index + count if index < 0 else index, module)
        return self

    def extend(self: SequentialType, sequential: Iterable[Module]) -> SequentialType:
        """Add all modules of ``sequential`` at the end."""
        for module in sequential:
            self.append(module)
        return self


def _shift_in(modules: dict[str, Any], index: int, module: Module) -> None:
    """Put ``module`` at ``index`` of numbered ``modules``, moving those behind it."""
    for position in range(len(modules), index, -1):
        modules[str(position)] = modules[str(position - 1)]
    modules[str(index)] = module


class ModuleList(Module):
    """A list whose modules are registered.

    >>> from rustorch import nn
    >>> nn.ModuleList([nn.ReLU() for _ in range(2)])
    ModuleList(
      (0-1): 2 x ReLU()
    )
    """

    _modules: dict[str, Module]

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self += modules

    def _key(self, index: Any) -> str:
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range")
        return str(index % len(self))

    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            return type(self)(list(self._modules.values())[idx])
        return self._modules[self._key(idx)]

    def __setitem__(self, idx: int, module: Module) -> None:
        setattr(self, self._key(idx), module)

    def __delitem__(self, idx: int | slice) -> None:
        keys = [str(i) for i in range(len(self))[idx]] if isinstance(idx, slice) else [self._key(idx)]
        for key in keys:
            delattr(self, key)
        self._modules = OrderedDict((str(i), module) for i, module in enumerate(self._modules.values()))

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __iadd__(self: ModuleListType, modules: Iterable[Module]) -> ModuleListType:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(chain(self, other))

    def __dir__(self) -> list[str]:
        return _without_numbers(super().__dir__())

    def __repr__(self) -> str:
        """Runs of modules that print alike are printed once, with their count."""
        texts = [repr(module) for module in self]
        lines = []
        start = 0
        for position in range(1, len(texts) + 1):
            if position == len(texts) or texts[position] != texts[start]:
                count = position - start
                head = f"({start}): " if count == 1 else f"({start}-{position - 1}): {count} x "
                lines.append(indented(head + texts[start]))
                start = position
        body = "\n  " + "\n  ".join(lines) + "\n" if lines else ""
        return f"{self._get_name()}({body})"

    def insert(self, index: int, module: Module) -> None:
        """Put ``module`` before position ``index``."""
        _shift_in(self._modules, index, module)

    def append(self: ModuleListType, module: Module) -> ModuleListType:
        """Add ``module`` at the end."""
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key: int | slice) -> Any:
        """Take out and return the module, or the modules of a slice."""
        taken = self[key]
        del self[key]
        return taken

    def extend(self: ModuleListType, modules: Iterable[Module]) -> ModuleListType:
        """Add all of ``modules`` at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError("ModuleList.extend should be called with an iterable, but got " + type(modules).__name__)
        offset = len(self)
        for position, module in enumerate(modules):
            self.add_module(str(offset + position), module)
        return self


def pairs_of(given: Any, class_name: str, whole: str) -> Iterator[tuple[str, Any]]:
    """The (key, value) pairs of a mapping or of an iterable of pairs; refused in the words of ``class_name``."""
    if not isinstance(given, Iterable):
        raise TypeError(
            f"{whole}.update should be called with an iterable of key/value pairs, but got {type(given).__name__}"
        )
    if isinstance(given, Mapping) or hasattr(given, "items"):
        yield from given.items()
        return
    for position, pair in enumerate(given):
        if not isinstance(pair, Iterable):
            raise TypeError(
                f"{class_name} update sequence element #{position} should be Iterable; is{type(pair).__name__}"
            )
        if len(pair) != 2:  # type: ignore[arg-type]
            raise ValueError(f"{class_name} update sequence element #{position} has length {len(pair)}; 2 is required")  # type: ignore[arg-type]
        key, value = pair
        yield key, value


class ModuleDict(Module):
    """A dictionary whose modules are registered, in the order of insertion."""

    _modules: dict[str, Module]

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Take out all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Take out and return the module ``key``."""
        return self._modules.pop(key)

    def keys(self) -> KeysView[str]:
        """The keys."""
        return self._modules.keys()

    def items(self) -> ItemsView[str, Module]:
        """Pairs of key and module."""
        return self._modules.items()

    def values(self) -> ValuesView[Module]:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Add the modules of a mapping or of an iterable of pairs; a known key takes the new module."""
        for key, module in pairs_of(modules, "ModuleDict", "ModuleDict"):
            self[key] = module
