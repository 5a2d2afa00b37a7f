from amazing_segments import segmentation


def model(dbt, session):
    dbt.config(materialized="table")
    return segmentation.match_personas(
        dbt.ref("segmentation_centroids").df(), dbt.ref("persona_signatures").df()
    )
