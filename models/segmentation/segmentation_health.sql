{{ config(materialized='view', post_hook="{{ request_retrain() }}") }}

{# column: its limits in health_policy, the side that is ill, its name in English and in French #}
{% set measures = {
    'max_psi': ('psi', '>', 'drift of a feature', "dérive d'une caractéristique"),
    'segment_psi': ('psi', '>', 'drift of the segment shares', 'dérive des parts des segments'),
    'refit_agreement': (
        'refit_agreement', '<', 'agreement with a refit', 'accord avec un modèle réajusté'
    ),
    'age_days': ('age_days', '>', 'age in days', 'âge en jours'),
    'atypical_share': (
        'atypical_share', '>', 'share of atypical users', 'part des clients atypiques'
    ),
    'low_confidence_share': (
        'low_confidence_share', '>', 'share between two personas', 'part entre deux personas'
    ),
} %}

with

drift as (
    select * from {{ ref('segmentation_drift') }}
),

models as (
    select * from {{ ref('segmentation_models') }}
),

-- who has too few events, or is a robot, has no segment whatever the model
eligibility as (
    select
        avg(
            cast(
                case
                    when users.is_robot or users.event_count < threshold.min_events then 1
                    else 0
                end as double precision
            )
        ) as ineligible_share
    from {{ ref('int_users') }} as users
    cross join {{ ref('segmentation_threshold') }} as threshold
),

ranked as (
    select
        drift.*,
        row_number() over (
            partition by drift.model_version, drift.as_of, drift.measure
            order by drift.value desc, drift.feature asc
        ) as position
    from drift
),

measured as (
    select
        ranked.model_version,
        ranked.as_of,
        max(case when ranked.measure = 'psi' then ranked.feature end) as max_psi_feature,
        max(case when ranked.measure = 'psi' then ranked.value end) as max_psi,
        max(case when ranked.measure = 'segment_psi' then ranked.value end) as segment_psi,
        max(case when ranked.measure = 'refit_agreement' then ranked.value end)
            as refit_agreement,
        max(case when ranked.measure = 'atypical_share' then ranked.value end) as atypical_share,
        max(case when ranked.measure = 'low_confidence_share' then ranked.value end)
            as low_confidence_share,
        row_number() over (order by ranked.as_of desc, ranked.model_version desc) = 1 as is_latest
    from ranked
    where ranked.position = 1
    group by ranked.model_version, ranked.as_of
),

aged as (
    select
        measured.*,
        models.is_current,
        cast(
            {{ dbt.datediff('models.trained_as_of', 'measured.as_of', 'second') }}
            as double precision
        ) / 86400 as age_days
    from measured
    inner join models on measured.model_version = models.model_version
),

segmentation_health as (
    select
        aged.model_version,
        aged.as_of,
        aged.is_latest,
        aged.max_psi_feature,
        aged.max_psi,
        aged.segment_psi,
        aged.refit_agreement,
        aged.age_days,
        aged.atypical_share,
        aged.low_confidence_share,
        case when aged.is_latest then eligibility.ineligible_share end as ineligible_share,
        case
            {% for verdict in ('retrain', 'warn') %}
                {% for column, measure in measures.items()
                    if measure[0] in var('health_policy')[verdict] %}
                    when
                        aged.{{ column }} {{ measure[1] }}
                        {{ var('health_policy')[verdict][measure[0]] }}
                        then '{{ verdict }}'
                {% endfor %}
            {% endfor %}
            else 'keep'
        end as verdict,
        {% for language in ('en', 'fr') %}
            trim(
                {% for column, measure in measures.items() %}
                    {% set limits = var('health_policy').values() | map(attribute=measure[0]) %}
                    {{ limit_passed(
                        'aged.' ~ column,
                        measure[2 if language == 'en' else 3],
                        measure[1],
                        limits
                    ) }}
                    {{- ' ||' if not loop.last }}
                {% endfor %}
            ) as reasons_{{ language }},
        {% endfor %}
        aged.is_current
    from aged
    cross join eligibility
)

select * from segmentation_health
