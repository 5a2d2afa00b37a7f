with

parameters as (
    select * from {{ ref('segmentation_parameters') }}
),

segmentation_centroids as (
    select
        parameters.model_version,
        parameters.segment,
        parameters.feature,
        parameters.value
    from parameters
    where parameters.parameter = 'centroid'
)

select * from segmentation_centroids
