"""Condensed datasets as publishable artifacts.

Names are imported at first use (PEP 562), so `import gendata` answers at once and never imports torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0.dev0"

__all__ = [
    "CondensedArtifact",
    "GendataError",
    "GeneratedDataset",
    "Recipe",
    "SampleSpec",
    "collate",
    "condense",
    "evaluate",
    "export_artifact",
    "import_artifact",
    "list_recipes",
    "load_condensed",
    "load_recipe",
    "mix",
    "open_artifact",
    "push_to_hub",
]

_HOME = {
    "CondensedArtifact": "gendata.artifact.artifact",
    "GendataError": "gendata.errors",
    "GeneratedDataset": "gendata.dataset.generated",
    "Recipe": "gendata.recipe",
    "SampleSpec": "gendata.spec",
    "collate": "gendata.dataset.batch",
    "condense": "gendata.condensation",
    "evaluate": "gendata.evaluation",
    "export_artifact": "gendata.exporters.exporting",
    "import_artifact": "gendata.importers.importing",
    "list_recipes": "gendata.recipe",
    "load_condensed": "gendata.fetch",
    "load_recipe": "gendata.recipe",
    "mix": "gendata.dataset.mixture",
    "open_artifact": "gendata.artifact.artifact",
    "push_to_hub": "gendata.publish.push",
}

if TYPE_CHECKING:
    from gendata.artifact.artifact import CondensedArtifact, open_artifact
    from gendata.condensation import condense
    from gendata.dataset.batch import collate
    from gendata.dataset.generated import GeneratedDataset
    from gendata.dataset.mixture import mix
    from gendata.errors import GendataError
    from gendata.evaluation import evaluate
    from gendata.exporters.exporting import export_artifact
    from gendata.fetch import load_condensed
    from gendata.importers.importing import import_artifact
    from gendata.publish.push import push_to_hub
    from gendata.recipe import Recipe, list_recipes, load_recipe
    from gendata.spec import SampleSpec


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'gendata' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value  # later look-ups skip this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
