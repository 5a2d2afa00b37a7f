"""Compare the current model with other algorithms, once."""

from typing import Any

import pandas as pd

from amazing_segments import model_versions


def model(dbt: Any, session: Any) -> pd.DataFrame:
    """Return the rows of the current model if it was not compared yet, or none."""
    dbt.config(materialized="incremental", incremental_strategy="append", full_refresh=False)
    models = dbt.ref("segmentation_models").df()
    compared = model_versions.empty(model_versions.ALGORITHM_COMPARISON_TYPES)
    if dbt.is_incremental:
        compared = session.table(str(dbt.this)).df()
    version = model_versions.version_to_analyse(models, compared)
    if version is None:
        return compared.head(0)
    # imported only when there is work: scikit-learn takes seconds
    from amazing_segments import algorithm_comparison

    return algorithm_comparison.compare_algorithms(
        dbt.ref("segmentation_sample").order("user_key").df(),
        model_versions.transforms_of_version(models, version),
        dbt.ref("segmentation_parameters").filter(f"model_version = {version}").df(),
        version,
    )
