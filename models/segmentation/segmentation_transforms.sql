with

parameters as (
    select * from {{ ref('segmentation_parameters') }}
),

catalogue as (
    select * from {{ ref('feature_catalogue') }}
),

segmentation_transforms as (
    select
        parameters.model_version,
        parameters.feature,
        max(catalogue.transform) as transform,
        max(case when parameters.parameter = 'prior' then parameters.value end) as prior,
        max(case when parameters.parameter = 'clip_low' then parameters.value end) as clip_low,
        max(case when parameters.parameter = 'clip_high' then parameters.value end) as clip_high,
        max(case when parameters.parameter = 'mean' then parameters.value end) as mean,
        max(case when parameters.parameter = 'scale' then parameters.value end) as scale
    from parameters
    left join catalogue on parameters.feature = catalogue.feature
    where parameters.parameter in ('prior', 'clip_low', 'clip_high', 'mean', 'scale')
    group by parameters.model_version, parameters.feature
)

select * from segmentation_transforms
