{{ config(dist='user_key', sort=['user_key']) }}

with

contributions as (
    select * from {{ ref('segmentation_contributions') }}
),

profiles as (
    select * from {{ ref('segment_profiles') }}
),

catalogue as (
    select * from {{ ref('feature_catalogue') }}
),

reason_phrases as (
    select * from {{ ref('reason_phrases') }}
),

-- the persona of each segment, with its names
personas as (
    select
        segments.model_version,
        segments.segment,
        segments.persona,
        names.name_en,
        names.name_fr
    from {{ ref('segmentation_personas') }} as segments
    inner join {{ ref('personas') }} as names on segments.persona = names.persona
),

population as (
    select
        profiles.feature,
        catalogue.unit like 'share%' as is_share,
        max(profiles.population_mean) as mean
    from profiles
    inner join catalogue on profiles.feature = catalogue.feature
    group by profiles.feature, catalogue.unit
),

averages as (
    select
        population.feature,
        population.is_share,
        {{ value_text('population.mean', 'population.is_share') }} as average
    from population
),

phrases as (
    select
        reason_phrases.feature,
        reason_phrases.direction,
        averages.is_share,
        replace(reason_phrases.phrase_en, '{average}', averages.average) as phrase_en,
        replace(reason_phrases.phrase_fr, '{average}', replace(averages.average, '.', ','))
            as phrase_fr
    from reason_phrases
    inner join averages on reason_phrases.feature = averages.feature
),

user_segment_reasons as (
    select
        contributions.user_key,
        contributions.segment,
        contributions.runner_up_segment,
        cast(contributions.model_version as integer) as model_version,
        contributions.margin,
        {% for feature in model_features() %}
            contributions.contribution_{{ feature.name }},
        {% endfor %}
        contributions.reason_1,
        contributions.reason_2,
        contributions.reason_3,
        contributions.objection,
        {% for language, than, colon in (
            ('en', ' rather than ', ': '), ('fr', ' plutôt que ', ' : ')
        ) %}
            cast(
                own.name_{{ language }} || '{{ than }}' || runner_up.name_{{ language }}
                {% for rank in (1, 2, 3) %}
                    {% set value = value_text(
                        'contributions.value_' ~ rank, 'phrases_' ~ rank ~ '.is_share'
                    ) %}
                    {% if language == 'fr' %}
                        {% set value = "replace(" ~ value ~ ", '.', ',')" %}
                    {% endif %}
                    || coalesce(
                        '{{ colon if rank == 1 else colon | replace(':', ';') }}'
                        || replace(
                            phrases_{{ rank }}.phrase_{{ language }}, '{value}', {{ value }}
                        ),
                        ''
                    )
                {% endfor %}
                as varchar(1024)
            ) as reasons_{{ language }},
        {% endfor %}
        contributions.counterfactual_feature,
        contributions.counterfactual_value,
        cast(contributions.counterfactual_segment as integer) as counterfactual_segment,
        counterfactual.persona as counterfactual_persona,
        contributions.counterfactual_distance,
        contributions.as_of
    from contributions
    {% for name, segment in (
        ('own', 'segment'),
        ('runner_up', 'runner_up_segment'),
        ('counterfactual', 'counterfactual_segment')
    ) %}
        left join personas as {{ name }}
            on
                contributions.model_version = {{ name }}.model_version
                and contributions.{{ segment }} = {{ name }}.segment
    {% endfor %}
    {% for rank in (1, 2, 3) %}
        left join phrases as phrases_{{ rank }}
            on
                contributions.reason_{{ rank }} = phrases_{{ rank }}.feature
                and contributions.direction_{{ rank }} = phrases_{{ rank }}.direction
    {% endfor %}
)

select * from user_segment_reasons
