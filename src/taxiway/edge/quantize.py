"""litert-quantizer: a LiteRT file → one with fewer bits, without TensorFlow."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

from taxiway.errors import FailedPrecondition

__all__ = ["quantize"]


def quantize(file: str, recipe: str, out: str) -> dict[str, Any]:
    """Write ``file`` quantised by a recipe of litert-quantizer, ``dynamic_wi4_afp32``.

    Raises:
        FailedPrecondition: the package is not installed, or nothing in the file can be quantised.
    """
    try:
        from litert_quantizer import quantizer
        from litert_quantizer import recipe as recipes
    except ImportError:
        raise FailedPrecondition("litert-quantizer is not installed: pip install 'taxiway[edge]'") from None
    work = quantizer.Quantizer(Path(file).read_bytes())
    work.load_quantization_recipe(getattr(recipes, recipe)())
    made = work.quantize().quantized_model
    if made is None or len(made) >= Path(file).stat().st_size:
        raise FailedPrecondition("none of its weights can be had in fewer bits")
    Path(out).write_bytes(bytes(made))
    return {"converter": f"litert-quantizer {metadata.version('litert-quantizer')}"}
