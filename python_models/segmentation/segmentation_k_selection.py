"""Measure the candidate numbers of segments when a model is to be trained."""

from typing import Any

import pandas as pd

from amazing_segments import model_versions


def model(dbt: Any, session: Any) -> pd.DataFrame:
    """Return the rows of a new model version, or none."""
    dbt.config(
        materialized="incremental",
        incremental_strategy="append",
        full_refresh=False,
        # measures came after the first versions, which stay
        on_schema_change="append_new_columns",
    )
    transforms = model_versions.model_transforms(dbt.ref("feature_catalogue").df())
    trained = model_versions.empty(model_versions.K_SELECTION_TYPES)
    if dbt.is_incremental:
        trained = session.table(str(dbt.this)).df()
    version = model_versions.version_to_train(trained, transforms, dbt.config.meta_get("retrain"))
    if version is None:
        return model_versions.empty(model_versions.K_SELECTION_TYPES)
    # imported only to train: scikit-learn takes seconds
    from amazing_segments import k_selection

    sample = dbt.ref("segmentation_sample").order("user_key").df()
    return k_selection.promote(k_selection.select_k(sample, transforms, version), trained)
