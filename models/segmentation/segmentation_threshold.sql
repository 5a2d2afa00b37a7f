{{ config(materialized='view') }}

with

models as (
    select max(case when models.is_current then models.model_version end) as model_version
    from {{ ref('segmentation_models') }} as models
),

measured as (
    select
        min_events.model_version,
        min_events.event_target,
        min_events.target_kappa,
        min_events.odd_even_kappa_low
    from {{ ref('segmentation_min_events') }} as min_events
    where min_events.is_threshold
),

-- one row, also where nothing was measured
segmentation_threshold as (
    select
        models.model_version,
        {% if var('min_events') is none %}
            cast(coalesce(measured.event_target, {{ training_min_events() }}) as integer)
                as min_events,
            cast(
                case
                    when measured.event_target is null then 'not measured: too few customers'
                    when measured.odd_even_kappa_low >= measured.target_kappa then 'measured'
                    else 'measured: none is enough'
                end as varchar(64)
            ) as source,
        {% else %}
            cast({{ var('min_events') }} as integer) as min_events,
            cast('set by hand' as varchar(64)) as source,
        {% endif %}
        measured.event_target as measured_min_events
    from models
    left join measured on models.model_version = measured.model_version
)

select * from segmentation_threshold
