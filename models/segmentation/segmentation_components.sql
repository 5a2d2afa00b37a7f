with

parameters as (
    select * from {{ ref('segmentation_parameters') }}
),

explained as (
    select
        parameters.model_version,
        parameters.component,
        parameters.value as explained_variance_ratio
    from parameters
    where parameters.parameter = 'explained_variance'
),

segmentation_components as (
    select
        parameters.model_version,
        parameters.component,
        parameters.feature,
        parameters.value as loading,
        explained.explained_variance_ratio
    from parameters
    inner join explained
        on
            parameters.model_version = explained.model_version
            and parameters.component = explained.component
    where parameters.parameter = 'loading'
)

select * from segmentation_components
