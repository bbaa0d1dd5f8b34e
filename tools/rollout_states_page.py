"""docs/concepts/rollout-states.md, from the tables of states and of rules."""

from __future__ import annotations

from taxiway.rollout.decide import Rule
from taxiway.rollout.states import EXPOSED, FINAL, State, diagram

# What a person who looks at a rollout wants to know of each state.
MEANINGS = {
    State.PENDING: "asked for, and nothing was changed yet",
    State.WARMING: "the new version is loaded beside the old one, and the traffic is measured",
    State.REPLAY: "both versions are asked recorded requests, where the plan demands it",
    State.SHADOW: "a sample of the requests is copied to the new version; nobody gets its answers",
    State.CANARY: "the new version answers a share of the requests, beside a control of the same size",
    State.PAUSED: "as before, until somebody resumes; evidence of harm still ends it",
    State.PROMOTING: "the new version becomes the default",
    State.LIVE: "the new version answers all; the old one stays loaded through the rollback window",
    State.ROLLING_BACK: "the old version becomes the default again",
    State.ROLLED_BACK: "the old version answers all, the new one is held",
    State.FAILED: "it never answered a request: it could not be loaded or tried, or the traffic is not enough",
}

PAGE = """\
# What becomes of a rollout

Generated from `src/taxiway/rollout/states.py` and `decide.py`; do not edit. Every change is one event of the journal;
`taxiway history` shows them, and `taxiway rollout status` which rule a rollout waits for.

```mermaid
{diagram}```

| state | means | answers requests |
|---|---|---|
{states}

## The rules

At each look the first rule that applies decides; going back comes before everything else.

| rule | says |
|---|---|
{rules}
"""


def render() -> str:
    """The whole page."""
    states = [f"| {state.value} | {MEANINGS[state]} | {_answers(state)} |" for state in State]
    rules = [f"| `{rule.name}` | {rule.value} |" for rule in Rule]
    return PAGE.format(diagram=diagram(), states="\n".join(states), rules="\n".join(rules))


def _answers(state: State) -> str:
    if state in FINAL:
        return "no"
    return "some or all" if state in EXPOSED else "no"
