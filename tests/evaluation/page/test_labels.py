from __future__ import annotations

from itertools import combinations

from gendata.evaluation.page.labels import Box, Place, place_labels

WINDOW = Box(0, 0, 600, 400)
SIZE = (80.0, 14.0)


def box(place: Place) -> Box:
    left = {"left": place.x, "center": place.x - SIZE[0] / 2, "right": place.x - SIZE[0]}[place.side]
    return Box(left, place.y - SIZE[1] / 2, left + SIZE[0], place.y + SIZE[1] / 2)


def test_labels_of_a_crowd_do_not_cover_each_other_or_a_point() -> None:
    points = [(300.0, 200.0), (304.0, 203.0), (300.0, 190.0), (310.0, 198.0)]
    boxes = [box(place) for place in place_labels(points, [SIZE] * 4, within=WINDOW)]
    assert all(one.overlap(other) == 0 for one, other in combinations(boxes, 2))
    marks = [Box(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    assert all(label.overlap(mark) == 0 for label in boxes for mark in marks)


def test_a_label_at_the_right_edge_stands_on_the_left() -> None:
    (place,) = place_labels([(590.0, 200.0)], [SIZE], within=WINDOW)
    assert place.side == "right"
    assert box(place).outside(WINDOW) == 0


def test_a_lonely_point_has_its_label_close_by_on_the_right() -> None:
    (place,) = place_labels([(100.0, 200.0)], [SIZE], within=WINDOW)
    assert place.side == "left" and not place.far and place.y == 200
