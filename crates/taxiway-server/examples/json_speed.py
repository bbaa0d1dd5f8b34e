"""Compare the JSON codec with orjson and numpy in one run: `python json_speed.py target/release/examples/json_speed`.

Each line is one body of 784 numbers, the best time of many on either side, and the ratio of the two.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import orjson


def bodies() -> dict[str, object]:
    """The instances by name: digits as pixels or fractions, flat or nested, and normal deviates."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, 784)
    image = pixels / 255.0
    return {
        "784 fractions": image.tolist(),
        "28x28 fractions": image.reshape(28, 28).tolist(),
        "28x28x1 fractions": image.reshape(28, 28, 1).tolist(),
        "784 pixels": pixels.tolist(),
        "784 of 3 digits": np.round(image, 3).tolist(),
        "784 deviates": random.standard_normal(784).tolist(),
    }


def python_ns(body: bytes) -> int:
    """The best of 300 decodings with orjson and numpy."""
    best = sys.maxsize
    for _ in range(300):
        start = time.perf_counter_ns()
        np.array(orjson.loads(body)["instances"], dtype=np.float32)
        best = min(best, time.perf_counter_ns() - start)
    return best


def main(program: str) -> None:
    """Print one line a body."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "body.json"
        for name, instances in bodies().items():
            body = json.dumps({"instances": [instances]}).encode()
            path.write_bytes(body)
            ours = json.loads(subprocess.check_output([program, str(path)]))
            theirs = python_ns(body)
            print(
                f"{name:18} {len(body):6} bytes: decode {ours['decode_ns']:6} ns, orjson and numpy {theirs:6} ns, "
                f"ratio {ours['decode_ns'] / theirs:.2f}; encode {ours['encode_ns']:6} ns"
            )


if __name__ == "__main__":
    main(sys.argv[1])
