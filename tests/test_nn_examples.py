"""The examples in the docstrings of rustorch.nn and rustorch.optim run, and print what they say they print."""

import doctest
import importlib
import pkgutil

import pytest

import rustorch
from rustorch import nn, optim

MODULES = sorted(
    name for package in (nn, optim) for _, name, _ in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name):
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    report: list[str] = []
    for example in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(example, out=report.append)
    assert runner.failures == 0, "".join(report)


def test_the_packages_are_reached_from_the_top():
    assert rustorch.nn is nn and rustorch.optim is optim
