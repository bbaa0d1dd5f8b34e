"""``loader.d.ts``: what the loader takes and gives, for this signature."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from taxiway.wire.signatures import Signature, TensorSpec, shape_text

__all__ = ["typings"]

_ARRAYS = {"bool": "Uint8Array", "float": "Float32Array", "int": "Int32Array"}
_NAME = re.compile(r"^[A-Za-z_$][\w$]*$")
_TEXT = """\
// What this folder's model takes and gives. {title}.

export interface Tensor<Data> {{
  /** All numbers, row by row. */
  data: Data;
  shape: readonly number[];
}}

/** Numbers with their shape, as arrays of arrays, or flat: then the free size follows from how many there are. */
export type Values = Tensor<ArrayLike<number>> | ArrayLike<number> | readonly Nested[];
export type Nested = number | ArrayLike<number> | readonly Nested[];

export interface Inputs {{
{inputs}
}}

export interface Outputs {{
{outputs}
}}

export interface Model {{
  /** Which backend computes: `wasm`, `cpu`, … */
  readonly backend: string;
  /** By name, the element type and the shape; -1 is any size. */
  readonly inputs: Readonly<Record<keyof Inputs, {{dtype: string; shape: readonly number[] | null}}>>;
  readonly outputs: Readonly<Record<keyof Outputs, {{dtype: string; shape: readonly number[] | null}}>>;
  /** Ask it. Rejects when an input is missing or has another shape. */
  predict(inputs: Inputs): Promise<Outputs>;
  /** Free its weights. */
  dispose(): void;
}}

/** Where model.json and the weights are read from. */
export interface Files {{
  model(): Promise<object>;
  weights(names: readonly string[]): Promise<ArrayBuffer>;
}}

export interface Options {{
  /** `wasm` when nothing is said; `cpu` runs everywhere. Another one must be registered with `tf` before. */
  backend?: string;
  /** TensorFlow.js of your own bundle, with loadGraphModel; what is in vendor/ when nothing is said. */
  tf?: object;
  /** What is beside this file when nothing is said. */
  files?: Files;
}}

/** Load the model. Rejects when a file is missing or not whole, or the backend does not start. */
export function load(options?: Options): Promise<Model>;
/** The files of a folder on the web. */
export function fetched(base: URL | string): Files;
/** Parts of the weights as one. */
export function joined(parts: readonly (ArrayBuffer | ArrayBufferView)[]): ArrayBuffer;
"""


def typings(signature: Signature, title: str) -> str:
    """The declarations.

    Args:
        signature: what the model takes and gives.
        title: what it is called.
    """
    return _TEXT.format(
        title=" ".join(title.split()),
        inputs=_members(signature.inputs, "Values"),
        outputs=_members(signature.outputs, None),
    )


def _members(specs: Mapping[str, TensorSpec], type_name: str | None) -> str:
    lines = []
    for name, spec in specs.items():
        kind = "bool" if spec.dtype_name == "bool" else "int" if "int" in spec.dtype_name else "float"
        lines.append(f"  /** {spec.dtype_name} {shape_text(spec.shape)} */")
        key = name if _NAME.match(name) else json.dumps(name)
        lines.append(f"  {key}: {type_name or f'Tensor<{_ARRAYS[kind]}>'};")
    return "\n".join(lines)
