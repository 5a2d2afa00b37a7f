"""Measure what each feature is to a new model, and what else it measures."""

from typing import Any

import pandas as pd

from amazing_segments import model_versions


def model(dbt: Any, session: Any) -> pd.DataFrame:
    """Return one row per feature for a version that has none yet, else no row."""
    dbt.config(materialized="incremental", incremental_strategy="append", full_refresh=False)
    analysed = model_versions.empty(model_versions.FEATURE_IMPORTANCE_TYPES)
    if dbt.is_incremental:
        analysed = session.table(str(dbt.this)).df()
    models = dbt.ref("segmentation_models").df()
    version = model_versions.version_to_analyse(models, analysed)
    if version is None:
        return analysed.head(0)
    # imported only for a new model: scikit-learn takes seconds
    from amazing_segments import feature_importance

    return feature_importance.measure_features(
        dbt.ref("segmentation_sample").order("user_key").df(),
        dbt.ref("feature_catalogue").df(),
        dbt.ref("segmentation_parameters").filter(f"model_version = {version}").df(),
        model_versions.transforms_of_version(models, version),
    )
