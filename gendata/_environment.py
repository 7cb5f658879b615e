"""Facts about this machine and its packages: what an issue report needs."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "safetensors",
    "msgspec",
    "datasets",
    "huggingface_hub",
    "accelerate",
    "webdataset",
)


def environment() -> dict[str, Any]:
    """Versions, processor and accelerators. Imports torch; holds no path, host or user name."""
    import torch

    import gendata

    return {
        "gendata": gendata.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "accelerators": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "byte_order": sys.byteorder,
        "packages": {name: _installed(name) for name in _PACKAGES},
    }


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
