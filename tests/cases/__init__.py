"""Every variant of the zoo, a file each with its `CASE`; `contract_test.py` runs on all of them."""

import dataclasses
import importlib
import pkgutil

from tests.case import Case

CASES: tuple[Case, ...] = tuple(
    dataclasses.replace(importlib.import_module(f"{__name__}.{module.name}").CASE, name=module.name)
    for module in pkgutil.iter_modules(__path__)
)
