"""What counts as a heavy import."""

from __future__ import annotations

from bench.startup import heavy_imports

_TRACE = """import time: self [us] | cumulative | imported package
import time:       155 |        155 |     numpy
import time:      1024 |     400000 |   tensorflow.python.framework
import time:      2000 |     500000 | tensorflow
import time:        20 |         20 |   keras.src
{kept}
"""


def test_tensorflow_is_noticed_once() -> None:
    assert heavy_imports(_TRACE.format(kept="")) == ("tensorflow", "keras")


def test_our_own_modules_named_after_it_are_not() -> None:
    ours = "import time: 9 | 9 |   taxiway.wire.tensorflow\nimport time: 9 | 9 | tensorflow_free"
    assert heavy_imports(ours) == ()
