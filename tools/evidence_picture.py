"""The picture of docs/concepts/evidence.md: the wealth of simulated rollouts against the requests seen."""

from __future__ import annotations

import math

import numpy as np

from taxiway.rollout.evidence.harm import log_e_harm

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 380, 64, 20, 34, 46
REQUESTS, LOOK, RUNS = 2000, 20, 20
LOWEST, HIGHEST = -2.0, 4.0  # powers of ten of E
TICKS = {-2: "1/100", -1: "1/10", 0: "1", 1: "10", 2: "100", 3: "1,000", 4: "10,000"}


def render() -> str:
    """The picture as SVG, the same bytes every time."""
    clean = _paths((0.01, 0.01), "#2b6cb0", seed=1)
    bad = _paths((0.01, 0.05), "#c05621", seed=2)
    return "\n".join([*_frame(), *clean, *bad, *_legend(), "</svg>", ""])


def _x(requests: float) -> float:
    return LEFT + requests / REQUESTS * (WIDTH - LEFT - RIGHT)


def _y(power: float) -> float:
    return TOP + (HIGHEST - power) / (HIGHEST - LOWEST) * (HEIGHT - TOP - BOTTOM)


def _paths(rates: tuple[float, float], colour: str, seed: int) -> list[str]:
    """One line a rollout; it ends where it leaves the picture or where the old version is put back."""
    rng = np.random.default_rng(seed)
    looks = REQUESTS // LOOK
    control, canary = (rng.binomial(LOOK // 2, rate, (RUNS, looks)).cumsum(axis=1) for rate in rates)
    powers = np.clip(log_e_harm(canary, control) / math.log(10), LOWEST, HIGHEST)
    lines = []
    for run in powers:
        over = np.flatnonzero(run >= 2)
        end = int(over[0]) + 1 if over.size else looks
        points = [(0.0, 0.0), *((LOOK * (k + 1), float(run[k])) for k in range(end))]
        drawn = " ".join(f"{_x(requests):.1f},{_y(power):.1f}" for requests, power in points)
        lines.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-opacity="0.7"/>')
        if over.size:
            lines.append(f'<circle cx="{_x(points[-1][0]):.1f}" cy="{_y(points[-1][1]):.1f}" r="3" fill="{colour}"/>')
    return lines


def _frame() -> list[str]:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        "<title>E over the requests of twenty rollouts without and twenty with harm</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for power, text in TICKS.items():
        y = _y(power)
        style = 'stroke="#1a202c" stroke-dasharray="6 4"' if power == 2 else 'stroke="#e2e8f0"'
        lines.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" {style}/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for requests in range(0, REQUESTS + 1, 500):
        lines.append(f'<text x="{_x(requests):.1f}" y="{HEIGHT - 26}" text-anchor="middle">{requests:,}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    lines.append(f'<text x="{middle:.0f}" y="{HEIGHT - 8}" text-anchor="middle">requests, canary and control</text>')
    lines.append(f'<text x="{WIDTH - RIGHT}" y="{_y(2) + 14:.1f}" text-anchor="end">E = 100: roll back</text>')
    lines.append(f'<text x="8" y="{TOP - 16}">E, the evidence of harm</text>')
    return lines


def _legend() -> list[str]:
    return [
        f'<text x="{WIDTH - RIGHT}" y="{_y(3.6):.1f}" text-anchor="end" fill="#c05621">errors 1 % → 5 %</text>',
        f'<text x="{WIDTH - RIGHT}" y="{_y(3.3):.1f}" text-anchor="end" fill="#2b6cb0">errors 1 % → 1 %</text>',
    ]
