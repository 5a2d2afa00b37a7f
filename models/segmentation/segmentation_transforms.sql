with

parameters as (
    select * from {{ ref('segmentation_parameters') }}
),

models as (
    select * from {{ ref('segmentation_models') }}
),

segmentation_transforms as (
    select
        parameters.model_version,
        parameters.feature,
        -- the model's own list, feature:transform,feature:transform: the catalogue may have changed
        {{ dbt.split_part(
            dbt.split_part(
                "',' || max(models.features)", "',' || parameters.feature || ':'", 2
            ),
            "','",
            1
        ) }} as transform,
        max(case when parameters.parameter = 'prior' then parameters.value end) as prior,
        max(case when parameters.parameter = 'clip_low' then parameters.value end) as clip_low,
        max(case when parameters.parameter = 'clip_high' then parameters.value end) as clip_high,
        max(case when parameters.parameter = 'mean' then parameters.value end) as mean,
        max(case when parameters.parameter = 'scale' then parameters.value end) as scale
    from parameters
    inner join models on parameters.model_version = models.model_version
    where parameters.parameter in ('prior', 'clip_low', 'clip_high', 'mean', 'scale')
    group by parameters.model_version, parameters.feature
)

select * from segmentation_transforms
