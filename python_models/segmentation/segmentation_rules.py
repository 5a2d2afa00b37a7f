"""Write the segments of a new model down as rules that people can read."""

from typing import Any

import pandas as pd

from amazing_segments import model_versions


def model(dbt: Any, session: Any) -> pd.DataFrame:
    """Return one row per rule for a version that has none yet, else no row."""
    dbt.config(materialized="incremental", incremental_strategy="append", full_refresh=False)
    analysed = model_versions.empty(model_versions.RULE_TYPES)
    if dbt.is_incremental:
        analysed = session.table(str(dbt.this)).df()
    models = dbt.ref("segmentation_models").df()
    version = model_versions.version_to_analyse(models, analysed)
    if version is None:
        return analysed.head(0)
    # imported only for a new model: scikit-learn takes seconds
    from amazing_segments import rules

    return rules.fit_rules(
        dbt.ref("segmentation_sample").order("user_key").df(),
        dbt.ref("feature_catalogue").df(),
        dbt.ref("segmentation_parameters").filter(f"model_version = {version}").df(),
        model_versions.transforms_of_version(models, version),
    )
