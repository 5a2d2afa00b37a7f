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

{{ scored_users() }},

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
        second.best_score - second.second_score as margin
    from second
),

half_distances as (
    select
        current_model.segment,
        current_model.component as other_segment,
        current_model.value
    from current_model
    where current_model.parameter = 'half_distance'
),

user_segments as (
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
        own.persona,
        own_names.name_en as persona_name_en,
        own_names.name_fr as persona_name_fr,
        runner_up.persona as runner_up_persona,
        runners_up.margin,
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
)

select * from user_segments
