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

current_model as (
    select parameters.*
    from {{ ref('segmentation_parameters') }} as parameters
    inner join {{ ref('segmentation_models') }} as models
        on parameters.model_version = models.model_version
    where models.is_current
),

-- The current model as one row, so that each user meets all its numbers at once. A segment that
-- the model does not have has no numbers, and so no score.
model as (
    select
        {% for feature in features %}
            {{ model_number('prior', feature) }} as prior_{{ feature.name }},
            {{ model_number('clip_low', feature) }} as low_{{ feature.name }},
            {{ model_number('clip_high', feature) }} as high_{{ feature.name }},
            {% for segment in segments %}
                {{ model_number('coefficient', feature, segment) }}
                    as weight_{{ segment }}_{{ feature.name }},
            {% endfor %}
        {% endfor %}
        {% for segment in segments %}
            {{ model_number('intercept', segment=segment) }} as intercept_{{ segment }},
        {% endfor %}
        max(parameters.model_version) as model_version
    from current_model as parameters
),

transformed as (
    select
        users.user_key,
        {% for feature in features %}
            least(
                greatest(
                    {{ transform_feature(feature) }},
                    model.low_{{ feature.name }}
                ),
                model.high_{{ feature.name }}
            ) as {{ feature.name }},
        {% endfor %}
        users.is_eligible
    from users
    cross join model
    where users.is_eligible
),

scored as (
    select
        transformed.user_key,
        {% for segment in segments %}
            model.intercept_{{ segment }}
            {% for feature in features %}
                + model.weight_{{ segment }}_{{ feature.name }} * transformed.{{ feature.name }}
            {% endfor %}
                as score_{{ segment }},
        {% endfor %}
        model.model_version
    from transformed
    cross join model
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
            when not users.is_eligible then 'not enough events yet'
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
