from amazing_segments import segmentation


def model(dbt, session):
    dbt.config(materialized="incremental", incremental_strategy="append", full_refresh=False)
    transforms = segmentation.model_transforms(dbt.ref("feature_catalogue").df())
    trained = segmentation.empty_k_selection()
    if dbt.is_incremental:
        trained = session.sql(f"select * from {dbt.this}").df()
    sample = dbt.ref("segmentation_sample")
    version = segmentation.version_to_train(trained, transforms, dbt.config.meta_get("retrain"))
    if version is None:
        return segmentation.empty_k_selection()
    return segmentation.select_k(sample.order("user_key").df(), transforms, version)
