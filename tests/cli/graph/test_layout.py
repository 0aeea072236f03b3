"""Where boxes stand: to the right of what they come from, never over each other."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from aaiclick.cli.graph.layout import ROW_GAP, _apart, connected_boxes, packed, place_boxes


def test_parts_come_by_size() -> None:
    assert connected_boxes(6, [(0, 1), (4, 5), (5, 3)]) == [[3, 4, 5], [0, 1], [2]]


def test_a_chain_lies_on_a_line_and_a_long_way_goes_around() -> None:
    sizes = [(100.0, 40.0)] * 4
    part = place_boxes([0, 1, 2, 3], sizes, [(0, 1), (1, 2), (2, 3), (0, 3)])
    lefts = [part.places[at][0] for at in range(4)]
    assert lefts == sorted(lefts)
    around = part.ways[0, 3]
    assert len(around) == 6
    for x, y in around[1:-1]:
        boxes = [part.places[at] for at in (1, 2)]
        assert not any(left <= x <= left + 100 and top < y < top + 40 for left, top in boxes)


def test_loops_are_drawn_too() -> None:
    part = place_boxes([0, 1], [(50.0, 20.0)] * 2, [(0, 1), (1, 0), (1, 1)])
    assert set(part.ways) == {(0, 1), (1, 0)}
    assert part.ways[1, 0][0][0] > part.ways[1, 0][-1][0]


@given(
    st.integers(1, 14).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=24))
    )
)
def test_no_box_covers_another(graph: tuple[int, list[tuple[int, int]]]) -> None:
    count, edges = graph
    sizes = [(80.0 + at % 3 * 20, 30.0 + at % 4 * 25) for at in range(count)]
    for group in connected_boxes(count, edges):
        part = place_boxes(group, sizes, edges)
        assert set(part.places) == set(group)
        assert set(part.ways) == {(a, b) for a, b in edges if a != b and a in part.places}
        for a, b in combinations(group, 2):
            (x, y), (u, v) = part.places[a], part.places[b]
            if x == u:
                assert y + sizes[a][1] + ROW_GAP <= v + 1e-6 or v + sizes[b][1] + ROW_GAP <= y + 1e-6
            else:
                assert x + sizes[a][0] <= u or u + sizes[b][0] <= x
        for x, y in part.places.values():
            assert x >= 0
            assert y >= -1e-6


def test_what_is_wanted_at_one_place_lies_around_it() -> None:
    assert _apart([5, 5, 5], [10, 10, 10]) == [-5, 5, 15]
    assert _apart([0, 30, 31], [10, 10, 10]) == [0, 25.5, 35.5]


def test_rows_are_filled_up_to_the_width() -> None:
    places, size = packed([(60, 10), (30, 20), (50, 5), (200, 1)], 100, 10)
    assert places == [(0, 0), (70, 0), (0, 30), (0, 45)]
    assert size == (200, 46)
