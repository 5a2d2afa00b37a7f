"""Measure what a confidence of the newest model means a month later."""

from typing import Any

import pandas as pd

from amazing_segments import model_versions


def model(dbt: Any, session: Any) -> pd.DataFrame:
    """Return the rows of a version that was fitted and not calibrated yet, or none."""
    dbt.config(materialized="incremental", incremental_strategy="append", full_refresh=False)
    models = dbt.ref("segmentation_models").df()
    calibrated = model_versions.empty(model_versions.CALIBRATION_TYPES)
    if dbt.is_incremental:
        calibrated = session.table(str(dbt.this)).df()
    version = model_versions.version_to_analyse(models, calibrated)
    if version is None:
        return calibrated.head(0)
    # imported only to calibrate: scikit-learn takes seconds
    from amazing_segments import calibration

    threshold = dbt.ref("segmentation_threshold").df()
    histories = dbt.ref("int_partial_histories").filter("part in ('whole', 'month ago')")
    return calibration.calibrate(
        histories.order("part, user_key").df(),
        dbt.ref("segmentation_parameters").filter(f"model_version = {version}").df(),
        model_versions.transforms_of_version(models, version),
        int(threshold["min_events"].item()),
        version,
    )
