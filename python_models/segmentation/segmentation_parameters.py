"""Fit the model whose number of segments was chosen and write it down."""

from typing import Any

import pandas as pd

from amazing_segments import model_versions


def model(dbt: Any, session: Any) -> pd.DataFrame:
    """Return the numbers of a version that was chosen and not fitted yet, or none."""
    dbt.config(materialized="incremental", incremental_strategy="append", full_refresh=False)
    chosen = dbt.ref("segmentation_k_selection").filter("is_chosen").df()
    transforms = model_versions.model_transforms(dbt.ref("feature_catalogue").df())
    if dbt.is_incremental:
        fitted = session.table(str(dbt.this)).df()
        chosen = chosen[~chosen["model_version"].isin(fitted["model_version"])]
    if chosen.empty:
        return model_versions.empty(model_versions.PARAMETER_TYPES)
    # imported only to train: scikit-learn takes seconds
    from amazing_segments import segmentation

    newest = chosen.sort_values("model_version").iloc[-1]
    sample = dbt.ref("segmentation_sample").order("user_key").df()
    return segmentation.fit_parameters(
        sample, transforms, int(newest["k"]), int(newest["model_version"])
    )
