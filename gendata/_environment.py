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
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "accelerators": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "byte_order": sys.byteorder,
        "packages": {name: _installed(name) for name in _PACKAGES},
    }


def _processor() -> str | None:
    """Model of the processor, as Linux tells it; elsewhere what Python knows."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        model = ""
    return model or platform.processor() or None


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
