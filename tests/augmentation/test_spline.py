from __future__ import annotations

import pytest
import torch

from gendata.augmentation.spline import rotated

IMAGE = torch.tensor([[0.0, 7, 3, 10], [6, 2, 9, 5], [1, 8, 4, 0], [7, 3, 10, 6], [2, 9, 5, 1]], dtype=torch.float64)[
    None, None
]
# scipy.ndimage.rotate(IMAGE, degrees, cval=2.5) of scipy 1.17, cut to the middle 5 x 4 pixels.
ROTATED = {
    30: [
        [2.5, 2.5, 2.5, 2.5],
        [2.5, 5.154639, 6.382951, 2.5],
        [3.922624, 5.022211, 3.194692, 2.5],
        [2.5, 6.604234, 7.635212, 7.410733],
        [2.5, 5.935958, 7.03869, 2.5],
    ],
    -45: [
        [2.5, 2.5, 2.5, 2.5],
        [2.5, 4.979663, 3.558977, 2.5],
        [5.638505, 6.702796, 6.136156, 7.188628],
        [4.972682, 6.584411, 2.644922, 2.700439],
        [2.5, 7.574256, 4.998067, 2.5],
    ],
}


@pytest.mark.parametrize("degrees", ROTATED)
def test_a_rotation_is_that_of_scipy(degrees: int) -> None:
    out = rotated(IMAGE, torch.tensor([degrees]), fill=2.5)[0, 0]
    torch.testing.assert_close(out, torch.tensor(ROTATED[degrees], dtype=torch.float64), atol=1e-6, rtol=0)


def test_no_turn_changes_nothing_and_every_image_has_its_own_angle() -> None:
    x = torch.cat((IMAGE, IMAGE, IMAGE))
    out = rotated(x, torch.tensor([0, 30, -45]), fill=2.5)
    torch.testing.assert_close(out[0], IMAGE[0])
    for i, degrees in ((1, 30), (2, -45)):
        torch.testing.assert_close(out[i : i + 1], rotated(IMAGE, torch.tensor([degrees]), fill=2.5))
