"""Which optimizers steps that overlap would spoil."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from taxiway.errors import FailedPrecondition
from taxiway.train.loops.coordinator import check_optimizer


def test_an_optimizer_that_keeps_something_between_steps_is_refused() -> None:
    check_optimizer(SimpleNamespace(gradient_accumulation_steps=None))
    with pytest.raises(FailedPrecondition, match="accumulates gradients"):
        check_optimizer(SimpleNamespace(gradient_accumulation_steps=4))
    with pytest.raises(FailedPrecondition, match="cannot be used with parameter servers") as raised:
        check_optimizer(SimpleNamespace(gradient_accumulation_steps=None, inner_optimizer=object()))
    assert raised.value.hint is not None and "mixed_bfloat16" in raised.value.hint
