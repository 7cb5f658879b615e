"""Where networks are trained."""

from __future__ import annotations

import torch

from gendata.errors import SpecError


def device_of(name: str | None) -> torch.device:
    """The device called `name` ("cpu", "cuda", "cuda:1"); None: a GPU if there is one.

    Raises:
        SpecError: there is no such device here.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type == "cpu" or (device.type == "cuda" and (device.index or 0) < torch.cuda.device_count()):
        return device
    raise SpecError(f"there is no device {name!r} here", expected="cpu, or cuda where torch sees a GPU")
