"""The stages of meshes as they are, and a library that fails them: what goes wrong is told by a file.

The file that `TEST_TROUBLE` names holds a stage's name and what happens in it: crash, hang or memory.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np

from orfeas.stages import all as _stages  # noqa: F401 - registers them
from orfeas.stages.registry import IMPLEMENTATIONS

TWENTY_GB = 20 * 2**30


def _fail(what: str) -> None:
    if what == "crash":
        ctypes.string_at(0)
    elif what == "hang":
        time.sleep(600.0)
    elif what == "memory":
        np.ones(TWENTY_GB, dtype=np.uint8)


def _troubled(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def stage(*inputs: Any, **settings: Any) -> Any:
        asked = Path(os.environ["TEST_TROUBLE"]).read_text().split()
        if asked[:1] == [name]:
            _fail(asked[1])
        return function(*inputs, **settings)

    return stage


for _name, (_spec, _function) in list(IMPLEMENTATIONS.items()):
    IMPLEMENTATIONS[_name] = (_spec, _troubled(_name, _function))
