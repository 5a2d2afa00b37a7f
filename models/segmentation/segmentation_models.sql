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

-- Versions from before there was a promotion are in use from their training on.
chosen as (
    select
        selection.*,
        fitted.lowest_jaccard as fitted_jaccard,
        row_number() over (
            order by
                case
                    when selection.promoted_at is not null then selection.promoted_at
                    when selection.refusal is null then selection.trained_at
                    else timestamp '1970-01-01 00:00:00'
                end desc,
                selection.model_version desc
        ) as position
    from selection
    inner join fitted on selection.model_version = fitted.model_version
    where selection.is_chosen
),

segmentation_models as (
    select
        chosen.model_version,
        chosen.k as segment_count,
        chosen.user_count as training_user_count,
        chosen.silhouette,
        chosen.stability,
        chosen.fitted_jaccard as lowest_jaccard,
        chosen.features,
        chosen.position = 1 as is_current,
        chosen.refusal,
        chosen.as_of as trained_as_of,
        chosen.trained_at,
        chosen.promoted_at
    from chosen
)

select * from segmentation_models
