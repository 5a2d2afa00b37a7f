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
    select models.model_version
    from {{ ref('segmentation_models') }} as models
    where models.is_current
),

-- The current model as one row, so that each user meets all its numbers at once. A segment that
-- the model does not have has no numbers, and so no score.
model as (
    select
        {% for feature in features %}
            max(case when parameters.parameter = 'clip_low' and parameters.feature = '{{ feature.name }}'
                then parameters.value end) as low_{{ feature.name }},
            max(case when parameters.parameter = 'clip_high' and parameters.feature = '{{ feature.name }}'
                then parameters.value end) as high_{{ feature.name }},
            {% for segment in segments %}
                max(case when parameters.parameter = 'coefficient' and parameters.segment = {{ segment }}
                        and parameters.feature = '{{ feature.name }}'
                    then parameters.value end) as weight_{{ segment }}_{{ feature.name }},
            {% endfor %}
        {% endfor %}
        {% for segment in segments %}
            max(case when parameters.parameter = 'intercept' and parameters.segment = {{ segment }}
                then parameters.value end) as intercept_{{ segment }},
        {% endfor %}
        max(parameters.model_version) as model_version
    from {{ ref('segmentation_parameters') }} as parameters
    inner join current_model on parameters.model_version = current_model.model_version
),

transformed as (
    select
        users.user_key,
        {% for feature in features %}
            least(
                greatest(
                    {{ 'ln(1 + users.' ~ feature.name ~ ')' if feature.transform == 'log1p'
                        else 'users.' ~ feature.name }},
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
    where model.model_version is not null
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
                when second.segment != {{ segment }} and second.score_{{ segment }} = second.second_score
                    then {{ segment }}
            {% endfor %}
        end as runner_up_segment,
        second.best_score - second.second_score as margin
    from second
),

half_distances as (
    select
        parameters.segment,
        parameters.component as other_segment,
        parameters.value
    from {{ ref('segmentation_parameters') }} as parameters
    inner join current_model on parameters.model_version = current_model.model_version
    where parameters.parameter = 'half_distance'
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
        least(runners_up.margin / half_distances.value, 1) as confidence,
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
