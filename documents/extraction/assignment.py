"""The best assignment of rows to columns: of all pairings the one whose weights sum to the most.

The Hungarian method with potentials, by shortest augmenting paths (Jonker and Volgenant 1987). A
library's own would bring 50 MB and half a second to every job, for tables of some dozen columns.
"""

from __future__ import annotations

from collections.abc import Sequence

_FAR = float("inf")


def best_assignment(weights: Sequence[Sequence[float]]) -> dict[int, int]:
    """Row -> column, each at most once, of the pairs whose weights are above 0.

    The same for the same weights. Takes time with the square of the shorter side times the longer.
    """
    rows = [row for row, line in enumerate(weights) if any(weight > 0 for weight in line)]
    columns = sorted({col for row in rows for col, weight in enumerate(weights[row]) if weight > 0})
    if not rows:
        return {}
    # Costs, the shorter side first; a pair that must not be costs nothing, as staying alone does.
    turned = len(rows) > len(columns)
    costs = [[-max(weights[row][col], 0.0) for col in columns] for row in rows]
    if turned:
        costs = [list(line) for line in zip(*costs, strict=True)]
    pairs = _cheapest(costs)
    found = {}
    for one, other in pairs:
        row, col = (rows[other], columns[one]) if turned else (rows[one], columns[other])
        if weights[row][col] > 0:
            found[row] = col
    return dict(sorted(found.items()))


def _cheapest(costs: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Pairs that give each row a column at the least cost; there are at least as many columns."""
    n, m = len(costs), len(costs[0])
    row_potential, col_potential = [0.0] * (n + 1), [0.0] * (m + 1)
    # Counted from 1; column 0 holds the row that is being placed.
    row_of = [0] * (m + 1)
    for row in range(1, n + 1):
        row_of[0] = row
        col = 0
        nearest = [_FAR] * (m + 1)
        way = [0] * (m + 1)
        done = [False] * (m + 1)
        while row_of[col]:
            done[col] = True
            here = row_of[col]
            line, base = costs[here - 1], row_potential[here]
            step, following = _FAR, 0
            for other in range(1, m + 1):
                if done[other]:
                    continue
                reduced = line[other - 1] - base - col_potential[other]
                if reduced < nearest[other]:
                    nearest[other], way[other] = reduced, col
                if nearest[other] < step:
                    step, following = nearest[other], other
            for other in range(m + 1):
                if done[other]:
                    row_potential[row_of[other]] += step
                    col_potential[other] -= step
                else:
                    nearest[other] -= step
            col = following
        while col:
            row_of[col] = row_of[way[col]]
            col = way[col]
    return [(row_of[col] - 1, col - 1) for col in range(1, m + 1) if row_of[col]]
