"""Give the segments of new model versions their identities and personas."""

from typing import Any

import pandas as pd

from amazing_segments import model_versions


def model(dbt: Any, session: Any) -> pd.DataFrame:
    """Return the rows of the versions that have none yet."""
    dbt.config(materialized="incremental", incremental_strategy="append", full_refresh=False)
    models = dbt.ref("segmentation_models").df()
    named = model_versions.empty(model_versions.IDENTITY_TYPES)
    if dbt.is_incremental:
        named = session.table(str(dbt.this)).df()
    if models["model_version"].isin(named["model_version"]).all():
        return model_versions.empty(model_versions.IDENTITY_TYPES)
    # imported only to name: scikit-learn takes seconds
    from amazing_segments import personas

    return personas.name_segments(
        models,
        dbt.ref("segmentation_parameters").df(),
        dbt.ref("segmentation_sample").df(),
        dbt.ref("persona_signatures").df(),
        dbt.ref("persona_overrides").df(),
        named,
    )
