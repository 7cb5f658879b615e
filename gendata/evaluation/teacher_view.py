"""A teacher that reads images as a student sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gendata.evaluation.preparation import Normaliser

if TYPE_CHECKING:
    from gendata.labels.teacher import Teacher


class TeacherView:
    """Images normalised for the student, (B, C, H, W), to the teacher's logits (B, classes).

    Args:
        teacher: its network is moved to `device`.
        student: how the images were normalised; the teacher was trained with statistics of its own.
        device: of the images.
    """

    def __init__(self, teacher: Teacher, student: Normaliser, *, device: torch.device) -> None:
        self._network = teacher.network.to(device).eval()
        own = teacher.normalisation
        student_mean, student_std, mean, std = (
            torch.tensor(value, device=device).view(-1, 1, 1)
            for value in (student.mean, student.std, own.mean, own.std)
        )
        self._scale, self._shift = student_std / std, (student_mean - mean) / std

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        logits: Tensor = self._network(x * self._scale + self._shift)
        return logits
