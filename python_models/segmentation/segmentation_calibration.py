"""Measure what a confidence of the newest model means a month later."""

from typing import Any

import pandas as pd

from amazing_segments import model_versions


def model(dbt: Any, session: Any) -> pd.DataFrame:
    """Return the rows of a version that was fitted and not calibrated yet, or none."""
    dbt.config(materialized="incremental", incremental_strategy="append", full_refresh=False)
    parameters = dbt.ref("segmentation_parameters").df()
    chosen = dbt.ref("segmentation_k_selection").filter("is_chosen").df()
    threshold = dbt.ref("segmentation_threshold").df()
    calibrated = model_versions.empty(model_versions.CALIBRATION_TYPES)
    if dbt.is_incremental:
        calibrated = session.table(str(dbt.this)).df()
    version = model_versions.version_to_analyse(parameters, calibrated)
    if version is None:
        return calibrated.head(0)
    # imported only to calibrate: scikit-learn takes seconds
    from amazing_segments import calibration

    features = chosen.loc[chosen["model_version"] == version, "features"].item()
    histories = dbt.ref("int_partial_histories").filter("part in ('whole', 'month ago')")
    return calibration.calibrate(
        histories.order("part, user_key").df(),
        parameters[parameters["model_version"] == version],
        model_versions.transforms_of(features),
        int(threshold["min_events"].item()),
        version,
    )
