"""Which signatures a file has: those of the original, and each for fixed numbers of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from taxiway.artifacts.buckets import bucket_name, buckets_of
from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound
from taxiway.wire.signatures import Signature

__all__ = ["Served", "names_of", "served_of"]


@dataclass(frozen=True)
class Served:
    """A signature of a file.

    Attributes:
        key: what it is called.
        of: the original's signature that it answers like.
        batch: how many rows it takes; None where the original's says.
        own: whether the original has it itself, under this name.
    """

    key: str
    of: str
    batch: int | None
    own: bool


def names_of(signature: str | Sequence[str]) -> list[str]:
    """The signatures that are asked for.

    Raises:
        InvalidArgument: none is, or one is twice.
    """
    names = [signature] if isinstance(signature, str) else list(signature)
    if not names or not all(names):
        raise InvalidArgument("No signature is asked for.", hint="--signature serving_default")
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise InvalidArgument(f"The signature {repeated} is asked for twice.")
    return names


def served_of(signatures: Mapping[str, Signature], names: Sequence[str], batches: Sequence[int]) -> list[Served]:
    """The signatures of a file that has ``names``, and each for these numbers of rows as well.

    Args:
        signatures: the original's.
        names: those asked for.
        batches: numbers of rows. Where the original has ``NAME_N`` itself, that is taken.

    Raises:
        NotFound: the original has none of a name.
        InvalidArgument: it has one that is called as another would be.
        FailedPrecondition: a signature takes a fixed number of rows, and so has no other.
    """
    found = []
    for name in names:
        if name not in signatures:
            raise NotFound(f"There is no signature {name!r}; there are {', '.join(signatures) or 'none'}.")
        found.append(Served(name, name, None, True))
        own = buckets_of(name, signatures)
        fixed = next((one.shape[0] for one in signatures[name].inputs.values() if one.shape and one.shape[0]), None)
        for batch in batches:
            key = bucket_name(name, batch)
            if batch not in own and key in signatures:
                raise InvalidArgument(
                    f"The model has a signature {key!r}, which is not {name!r} for {batch} rows.",
                    hint="Leave that batch out of --batches, or call the signature otherwise.",
                )
            if batch not in own and fixed is not None:
                raise FailedPrecondition(
                    f"{name!r} takes {fixed} {'row' if fixed == 1 else 'rows'} at a time, "
                    f"and cannot be made to take {batch}.",
                    hint=f"Export a signature that takes any number of rows, or one for {batch} called {key}.",
                )
            found.append(Served(key, name, batch, batch in own))
    keys = [one.key for one in found]
    if repeated := next((key for key in keys if keys.count(key) > 1), None):
        raise InvalidArgument(f"The signature {repeated} is asked for, and --batches makes it too.")
    return found
