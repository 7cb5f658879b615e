"""What a page is made of, beside the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.errors import MissingExtraError, SourceError
from gendata.evaluation.evaluator import named_source
from gendata.evaluation.page.embedding import learned_features
from gendata.evaluation.page.features import FeatureMap
from gendata.sources.source import Source
from gendata.spec import SampleSpec


@dataclass(frozen=True, kw_only=True)
class Materials:
    """Whatever is None is left out of the page, which says so."""

    artifact: CondensedArtifact | None = None
    source: Source | None = None
    no_source: str = "the real data were not given"  # why there is none
    features: FeatureMap | None = None

    @property
    def spec(self) -> SampleSpec | None:
        """Shape and classes of the images; None where neither artifact nor source is given."""
        holder = self.artifact or self.source
        return None if holder is None else holder.spec


def gathered(
    artifact: CondensedArtifact | str | Path | None,
    source: Source | None,
    *,
    data_root: Path | None,
    features: FeatureMap | Literal["learn"] | None,
) -> Materials:
    """See `gendata.evaluation.page.write_report`."""
    opened = open_artifact(artifact) if isinstance(artifact, str | Path) else artifact
    no_source = Materials.no_source
    if source is None and opened is not None:
        try:
            source = named_source(opened, data_root)
        except (SourceError, MissingExtraError) as error:
            no_source = error.what
    if features == "learn":
        features = learned_features(opened, source) if opened is not None and source is not None else None
    return Materials(artifact=opened, source=source, no_source=no_source, features=features)
