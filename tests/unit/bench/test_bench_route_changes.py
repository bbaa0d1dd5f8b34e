"""The ratio of a run with route changes, and the routes it changes to."""

from __future__ import annotations

from bench.route_changes import Pair, lines, ratio, route
from bench.windows import Window


def pair(still_us: int, changing_us: int) -> Pair:
    return Pair(Window(100, 1.0, {still_us: 100}), Window(200, 2.0, {changing_us: 200}), changes=150)


def test_the_ratio_is_the_median_over_pairs_of_windows() -> None:
    pairs = [pair(1000, 1100), pair(2000, 2100), pair(1000, 9000)]
    assert ratio(pairs) == 1.1
    assert lines("rest", pairs)[-1] == (
        "rest: p99 × 1.10, p50 × 1.10 (medians of 3 pairs); 900 requests, 0 failed; 450 changes in 6.0 s of load"
    )


def test_routes_are_ones_that_a_data_plane_takes() -> None:
    for change in range(1, 200):
        document = route(change)
        assert (document is None) == (change % 10 == 0)
        if document is not None:
            assert sum(arm["share_ppm"] for arm in document["arms"]) <= 1_000_000
    assert route(1) != route(2)
