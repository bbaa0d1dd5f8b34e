"""A published version → files for phones and boards, none of which leaves without proof that it answers alike."""

from __future__ import annotations

from taxiway.artifacts.tokeniser import Tokeniser
from taxiway.edge.api import Built, build
from taxiway.edge.form import Form
from taxiway.edge.interpreter import Interpreter, load
from taxiway.edge.metadata import described
from taxiway.edge.prune_file import FineTuning, Pruned, prune
from taxiway.edge.pruning import Pruning
from taxiway.edge.variants import DEFAULT_VARIANTS, VARIANTS

__all__ = [
    "DEFAULT_VARIANTS",
    "VARIANTS",
    "Built",
    "FineTuning",
    "Form",
    "Interpreter",
    "Pruned",
    "Pruning",
    "Tokeniser",
    "build",
    "described",
    "load",
    "prune",
]
