"""Where the boxes of a picture stand: in layers from left to right, so that rows go to the right. Pure.

Boxes that have nothing to do with each other are parts of their own. Within a part, loops are opened, each box gets
the first layer behind all that it comes from, ways over several layers get a place in each, the order in the layers is
improved by going over them a few times, and then each box comes as near to the middle of its neighbours as the others
let it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Size = tuple[float, float]
Point = tuple[float, float]
COLUMN_GAP = 64.0
"""Between two layers, where the ways run."""
ROW_GAP = 14.0
"""Between two boxes of a layer."""
_SWEEPS = 8


@dataclass(frozen=True, slots=True)
class PlacedPart:
    """Boxes that are connected, placed."""

    places: dict[int, Point]
    """Upper left corner of each box, by its number."""
    ways: dict[tuple[int, int], tuple[Point, ...]]
    """For each edge the points that it goes through, begin and end included."""
    size: Size
    """Width and height of the whole."""


def connected_boxes(count: int, edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The boxes that are connected, in groups: the largest group first, those that stand alone last."""
    near: list[list[int]] = [[] for _ in range(count)]
    for begin, end in edges:
        near[begin].append(end)
        near[end].append(begin)
    seen: set[int] = set()
    found: list[list[int]] = []
    for first in range(count):
        if first in seen:
            continue
        seen.add(first)
        group: list[int] = []
        todo = [first]
        while todo:
            here = todo.pop()
            group.append(here)
            for other in near[here]:
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        found.append(sorted(group))
    return sorted(found, key=lambda group: (-len(group), group[0]))


def place_boxes(boxes: Sequence[int], sizes: Sequence[Size], edges: Sequence[tuple[int, int]]) -> PlacedPart:
    """Place the boxes of one part. ``sizes``: width and height of every box, by its number."""
    within = set(boxes)
    own = [edge for edge in dict.fromkeys(edges) if edge[0] in within and edge[1] in within and edge[0] != edge[1]]
    # Turned round for the layers only: their points are turned back below.
    turned = _loops(boxes, own)
    forward = list(dict.fromkeys((end, begin) if (begin, end) in turned else (begin, end) for begin, end in own))
    layer = _layers(boxes, forward)
    chains, order = _chained(boxes, forward, layer)
    links = [(chain[at], chain[at + 1]) for chain in chains.values() for at in range(len(chain) - 1)]
    _improve(order, links)
    heights = [[sizes[name][1] if isinstance(name, int) else 0.0 for name in names] for names in order]
    tops = _tops(order, heights, links)
    widths = [max((sizes[name][0] for name in names if isinstance(name, int)), default=0.0) for names in order]
    lefts = [sum(widths[:at]) + COLUMN_GAP * at for at in range(len(order))]
    places = {
        name: (lefts[at], tops[name]) for at, names in enumerate(order) for name in names if isinstance(name, int)
    }
    ways: dict[tuple[int, int], tuple[Point, ...]] = {}
    for (begin, end), chain in chains.items():
        points: list[Point] = [(lefts[layer[begin]] + sizes[begin][0], tops[begin] + sizes[begin][1] / 2)]
        for step, name in enumerate(chain[1:-1], layer[begin] + 1):
            points += [(lefts[step], tops[name]), (lefts[step] + widths[step], tops[name])]
        points.append((lefts[layer[end]], tops[end] + sizes[end][1] / 2))
        for edge, path in (((begin, end), points), ((end, begin), points[::-1])):
            if edge in own and (edge in turned) == (path is not points):
                ways[edge] = tuple(path)
    height = max((top + sizes[name][1] for name, (_, top) in places.items()), default=0.0)
    return PlacedPart(places, ways, (sum(widths) + COLUMN_GAP * (len(order) - 1), height))


def packed(sizes: Sequence[Size], width: float, gap: float) -> tuple[list[Point], Size]:
    """Rectangles in rows of at most that width, in their order; and the size of the whole."""
    places: list[Point] = []
    x = y = row = widest = 0.0
    for wide, high in sizes:
        if x and x + wide > width:
            x, y, row = 0.0, y + row + gap, 0.0
        places.append((x, y))
        x, row, widest = x + wide + gap, max(row, high), max(widest, x + wide)
    return places, (widest, y + row)


_Name = int | tuple[int, int, int]
"""A box, or the place of an edge in a layer that it goes through."""


def _loops(boxes: Sequence[int], edges: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Edges that lead back: without them there are no loops."""
    following: dict[int, list[int]] = {box: [] for box in boxes}
    for begin, end in edges:
        following[begin].append(end)
    back: set[tuple[int, int]] = set()
    done: set[int] = set()
    for first in boxes:
        if first in done:
            continue
        path, todo = {first}, [(first, iter(following[first]))]
        while todo:
            here, rest = todo[-1]
            other = next(rest, None)
            if other is None:
                path.discard(here)
                done.add(here)
                todo.pop()
            elif other in path:
                back.add((here, other))
            elif other not in done:
                path.add(other)
                todo.append((other, iter(following[other])))
    return back


def _layers(boxes: Sequence[int], edges: Sequence[tuple[int, int]]) -> dict[int, int]:
    """The first layer behind all that a box comes from; a box without any stands right before what it leads to."""
    before: dict[int, list[int]] = {box: [] for box in boxes}
    behind: dict[int, list[int]] = {box: [] for box in boxes}
    for begin, end in edges:
        before[end].append(begin)
        behind[begin].append(end)
    layer: dict[int, int] = {}
    waiting = {box: len(before[box]) for box in boxes}
    ready = [box for box in boxes if not waiting[box]]
    for box in ready:
        layer[box] = max((layer[other] + 1 for other in before[box]), default=0)
        for other in behind[box]:
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
    for box in boxes:
        if not before[box] and behind[box]:
            layer[box] = min(layer[other] for other in behind[box]) - 1
    return layer


def _chained(
    boxes: Sequence[int], edges: Sequence[tuple[int, int]], layer: dict[int, int]
) -> tuple[dict[tuple[int, int], list[_Name]], list[list[_Name]]]:
    """Each edge as a chain with a place in every layer, and what stands in each layer."""
    order: list[list[_Name]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for box in boxes:
        order[layer[box]].append(box)
    chains: dict[tuple[int, int], list[_Name]] = {}
    for begin, end in edges:
        between: list[_Name] = [(begin, end, at) for at in range(layer[begin] + 1, layer[end])]
        for at, name in enumerate(between, layer[begin] + 1):
            order[at].append(name)
        chains[begin, end] = [begin, *between, end]
    return chains, order


def _improve(order: list[list[_Name]], links: Sequence[tuple[_Name, _Name]]) -> None:
    """Order each layer by the middle of its neighbours in the one before it, then behind it, a few times."""
    before, behind = _neighbours(links)
    for sweep in range(_SWEEPS):
        near = before if sweep % 2 == 0 else behind
        for names in order if sweep % 2 == 0 else order[::-1]:
            rank = {name: at for layer in order for at, name in enumerate(layer)}
            middle = {name: _mean([rank[other] for other in near.get(name, ())], rank[name]) for name in names}
            names.sort(key=lambda name: (middle[name], rank[name]))


def _neighbours(links: Sequence[tuple[_Name, _Name]]) -> tuple[dict[_Name, list[_Name]], dict[_Name, list[_Name]]]:
    before: dict[_Name, list[_Name]] = {}
    behind: dict[_Name, list[_Name]] = {}
    for begin, end in links:
        before.setdefault(end, []).append(begin)
        behind.setdefault(begin, []).append(end)
    return before, behind


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _tops(
    order: Sequence[Sequence[_Name]], heights: Sequence[Sequence[float]], links: Sequence[tuple[_Name, _Name]]
) -> dict[_Name, float]:
    """The upper edge of everything, the uppermost at 0."""
    before, behind = _neighbours(links)
    high = {
        name: height for names, row in zip(order, heights, strict=True) for name, height in zip(names, row, strict=True)
    }
    top: dict[_Name, float] = {}
    for names in order:
        y = 0.0
        for name in names:
            top[name], y = y, y + high[name] + ROW_GAP
    for sweep in range(_SWEEPS):
        near = before if sweep % 2 == 0 else behind
        for names in order if sweep % 2 == 0 else order[::-1]:
            wanted = [
                _mean([top[other] + high[other] / 2 for other in near.get(name, ())], top[name] + high[name] / 2)
                - high[name] / 2
                for name in names
            ]
            top.update(zip(names, _apart(wanted, [high[name] + ROW_GAP for name in names]), strict=True))
    least = min(top.values(), default=0.0)
    return {name: y - least for name, y in top.items()}


def _apart(wanted: Sequence[float], room: Sequence[float]) -> list[float]:
    """Positions in this order, each at least ``room`` before the next, that lie together as near as they can to where
    they are wanted (least squares)."""
    offsets = [sum(room[:at]) for at in range(len(room))]
    blocks: list[tuple[float, int]] = []
    # Boxes that would overlap become one block, which moves as a whole (pool adjacent violators).
    for goal, offset in zip(wanted, offsets, strict=True):
        total, size = goal - offset, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / size:
            more, others = blocks.pop()
            total, size = total + more, size + others
        blocks.append((total, size))
    shifts = [total / size for total, size in blocks for _ in range(size)]
    return [shift + offset for shift, offset in zip(shifts, offsets, strict=True)]
