"""Compare the users of now with those from whom the current model was trained."""

from typing import Any

import pandas as pd

from amazing_segments import model_versions


def model(dbt: Any, session: Any) -> pd.DataFrame:
    """Return the rows of the current model and moment if they were not measured yet, or none."""
    dbt.config(materialized="incremental", incremental_strategy="append", full_refresh=False)
    current = dbt.ref("segmentation_models").filter("is_current").df()
    measured = model_versions.empty(model_versions.DRIFT_TYPES)
    if dbt.is_incremental:
        measured = session.table(str(dbt.this)).df()
    (as_of,) = dbt.ref("int_as_of").df()["as_of"]
    of_version = measured[measured["model_version"].isin(current["model_version"])]
    if current.empty or (of_version["as_of"] == as_of).any():
        return measured.head(0)
    users = dbt.ref("segmentation_sample").order("user_key").df()
    if users.empty:
        return measured.head(0)
    # imported only to measure: scikit-learn takes seconds
    from amazing_segments import drift

    version = int(current["model_version"].item())
    return drift.measure_drift(
        users,
        dbt.ref("segmentation_parameters").filter(f"model_version = {version}").df(),
        model_versions.transforms_of(current["features"].item()),
        dbt.config.meta_get("min_confidence"),
        version,
    )
