"""Measure from how many events a customer can be classified by the newest model."""

from typing import Any

import pandas as pd

from amazing_segments import model_versions


def model(dbt: Any, session: Any) -> pd.DataFrame:
    """Return the rows of a version that was fitted and not measured yet, or none."""
    dbt.config(materialized="incremental", incremental_strategy="append", full_refresh=False)
    models = dbt.ref("segmentation_models").df()
    measured = model_versions.empty(model_versions.MIN_EVENTS_TYPES)
    if dbt.is_incremental:
        measured = session.table(str(dbt.this)).df()
    version = model_versions.version_to_analyse(models, measured)
    if version is None:
        return measured.head(0)
    # imported only to measure: scikit-learn takes seconds
    from amazing_segments import min_events

    histories = dbt.ref("int_partial_histories").order("part, event_target, user_key")
    return min_events.measure_min_events(
        histories.df(),
        dbt.ref("segmentation_parameters").filter(f"model_version = {version}").df(),
        model_versions.transforms_of_version(models, version),
        dbt.config.meta_get("target_kappa"),
        version,
    )
