with

selection as (
    select * from {{ ref('segmentation_k_selection') }}
),

fitted as (
    select
        parameters.model_version,
        min(case when parameters.parameter = 'jaccard' then parameters.value end) as lowest_jaccard
    from {{ ref('segmentation_parameters') }} as parameters
    group by parameters.model_version
),

newest as (
    select max(fitted.model_version) as model_version
    from fitted
),

segmentation_models as (
    select
        selection.model_version,
        selection.k as segment_count,
        selection.user_count as training_user_count,
        selection.silhouette,
        selection.stability,
        fitted.lowest_jaccard,
        selection.features,
        selection.model_version = newest.model_version as is_current,
        selection.as_of as trained_as_of,
        selection.trained_at
    from selection
    inner join fitted on selection.model_version = fitted.model_version
    cross join newest
    where selection.is_chosen
)

select * from segmentation_models
