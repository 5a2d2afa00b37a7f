"""Give the segments of every model version their personas."""

from typing import Any

import pandas as pd

from amazing_segments import personas


def model(dbt: Any, _session: Any) -> pd.DataFrame:
    """Return one row per model version and segment."""
    dbt.config(
        materialized="incremental",
        incremental_strategy="delete+insert",
        unique_key=["model_version", "segment"],
    )
    return personas.match_personas(
        dbt.ref("segmentation_centroids").df(), dbt.ref("persona_signatures").df()
    )
