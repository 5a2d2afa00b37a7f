"""Measure the candidate numbers of segments when a model is to be trained."""

from typing import Any

import pandas as pd

from amazing_segments import segmentation


def model(dbt: Any, session: Any) -> pd.DataFrame:
    """Return the rows of a new model version, or none."""
    dbt.config(materialized="incremental", incremental_strategy="append", full_refresh=False)
    transforms = segmentation.model_transforms(dbt.ref("feature_catalogue").df())
    trained = segmentation.empty_k_selection()
    if dbt.is_incremental:
        trained = session.table(str(dbt.this)).df()
    sample = dbt.ref("segmentation_sample")
    version = segmentation.version_to_train(trained, transforms, dbt.config.meta_get("retrain"))
    if version is None:
        return segmentation.empty_k_selection()
    return segmentation.select_k(sample.order("user_key").df(), transforms, version)
