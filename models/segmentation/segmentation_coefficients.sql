with

parameters as (
    select * from {{ ref('segmentation_parameters') }}
),

-- the intercept stands among the coefficients under the name that scikit-learn gives it
segmentation_coefficients as (
    select
        parameters.model_version,
        parameters.segment,
        coalesce(parameters.feature, 'intercept') as feature,
        parameters.value
    from parameters
    where parameters.parameter in ('coefficient', 'intercept')
)

select * from segmentation_coefficients
