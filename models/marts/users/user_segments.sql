{% set features = model_features() %}
{% set segments = range(1, max_segments() + 1) %}

with

users as (
    select * from {{ ref('user_features') }}
),

personas as (
    select * from {{ ref('segmentation_personas') }}
),

persona_names as (
    select * from {{ ref('personas') }}
),

threshold as (
    select * from {{ ref('segmentation_threshold') }}
),

calibration as (
    select * from {{ ref('segmentation_calibration') }}
),

{{ scored_users() }},

centres as (
    select
        {% for feature in features %}
            {{ model_number('centroid', feature) }} as {{ feature.name }},
        {% endfor %}
        {{ model_number('typical_distance') }} as typical_distance,
        parameters.segment
    from current_model as parameters
    where parameters.segment is not null
    group by parameters.segment
),

best as (
    select
        scored.*,
        greatest(
            {% for segment in segments %}
                scored.score_{{ segment }}{{ ',' if not loop.last }}
            {% endfor %}
        ) as best_score
    from scored
),

assigned as (
    select
        best.*,
        case
            {% for segment in segments %}
                when best.score_{{ segment }} = best.best_score then {{ segment }}
            {% endfor %}
        end as segment
    from best
),

second as (
    select
        assigned.*,
        greatest(
            {% for segment in segments %}
                case when assigned.segment != {{ segment }} then assigned.score_{{ segment }} end
                {{- ',' if not loop.last }}
            {% endfor %}
        ) as second_score
    from assigned
),

runners_up as (
    select
        second.user_key,
        second.model_version,
        second.segment,
        case
            {% for segment in segments %}
                when
                    second.segment != {{ segment }}
                    and second.score_{{ segment }} = second.second_score
                    then {{ segment }}
            {% endfor %}
        end as runner_up_segment,
        second.best_score - second.second_score as margin,
        -- to the own centre, in standard deviations of all features
        sqrt(
            {% for feature in features %}
                {{ '+ ' if not loop.first }}power(
                    (second.{{ feature.name }} - model.mean_{{ feature.name }})
                    / model.scale_{{ feature.name }} - centres.{{ feature.name }},
                    2
                )
            {% endfor %}
        ) > centres.typical_distance as is_atypical
    from second
    inner join centres on second.segment = centres.segment
    cross join model
),

half_distances as (
    select
        current_model.segment,
        current_model.component as other_segment,
        current_model.value
    from current_model
    where current_model.parameter = 'half_distance'
),

described as (
    select
        users.user_key,
        cast(runners_up.segment as integer) as segment,
        cast(runners_up.runner_up_segment as integer) as runner_up_segment,
        cast(runners_up.model_version as integer) as model_version,
        case
            when users.is_robot then 'robot'
            when users.event_count < threshold.min_events then 'not enough events yet'
            when runners_up.segment is null then 'no model yet'
            else 'segmented'
        end as status,
        own.identity,
        own.persona,
        own_names.name_en as persona_name_en,
        own_names.name_fr as persona_name_fr,
        runner_up.persona as runner_up_persona,
        runner_up_names.name_en as runner_up_name_en,
        runner_up_names.name_fr as runner_up_name_fr,
        runners_up.margin,
        runners_up.is_atypical,
        -- 0 on the border of the two segments, 1 at the centre of the own one and beyond
        case
            when runners_up.margin < half_distances.value
                then runners_up.margin / half_distances.value
            when runners_up.margin >= half_distances.value then 1
        end as confidence,
        users.as_of
    from users
    cross join threshold
    left join runners_up on users.user_key = runners_up.user_key
    left join half_distances
        on
            runners_up.segment = half_distances.segment
            and runners_up.runner_up_segment = half_distances.other_segment
    left join personas as own
        on
            runners_up.model_version = own.model_version
            and runners_up.segment = own.segment
    left join personas as runner_up
        on
            runners_up.model_version = runner_up.model_version
            and runners_up.runner_up_segment = runner_up.segment
    left join persona_names as own_names on own.persona = own_names.persona
    left join persona_names as runner_up_names on runner_up.persona = runner_up_names.persona
),

user_segments as (
    select
        described.user_key,
        described.segment,
        described.runner_up_segment,
        described.model_version,
        described.status,
        described.identity,
        described.persona,
        described.persona_name_en,
        described.persona_name_fr,
        described.runner_up_persona,
        described.margin,
        described.confidence,
        calibration.persistence,
        described.confidence < {{ var('min_confidence') }} as is_between_personas,
        described.is_atypical,
        case
            when described.confidence < {{ var('min_confidence') }}
                then
                    'Between '
                    || described.persona_name_en
                    || ' and '
                    || described.runner_up_name_en
            else described.persona_name_en
        end as shown_as_en,
        case
            when described.confidence < {{ var('min_confidence') }}
                then
                    'Entre '
                    || described.persona_name_fr
                    || ' et '
                    || described.runner_up_name_fr
            else described.persona_name_fr
        end as shown_as_fr,
        described.as_of
    from described
    left join calibration
        on
            described.model_version = calibration.model_version
            and described.confidence >= calibration.confidence_from
            and (
                described.confidence < calibration.confidence_below
                or calibration.confidence_below is null
            )
)

select * from user_segments
