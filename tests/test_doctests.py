"""The examples in docstrings run and print what they say."""

import doctest
import importlib
import pkgutil

import pytest


PACKAGES = ("analysis", "compute", "storage")
MODULES = [f"convergence.{package}.{module.name}" for package in PACKAGES
           for module in pkgutil.iter_modules(importlib.import_module(f"convergence.{package}").__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).failed == 0
