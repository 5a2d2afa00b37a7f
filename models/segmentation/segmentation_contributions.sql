{{ config(materialized='view') }}

{% set features = model_features() %}
{% set segments = range(1, max_segments() + 1) %}

with

users as (
    select * from {{ ref('user_features') }}
),

user_segments as (
    select * from {{ ref('user_segments') }}
),

profiles as (
    select * from {{ ref('segment_profiles') }}
),

averages as (
    select
        {% for feature in features %}
            max(
                case
                    when profiles.feature = '{{ feature.name }}' then profiles.population_mean
                end
            ) as {{ feature.name }},
        {% endfor %}
        max(profiles.model_version) as model_version
    from profiles
),

{{ scored_users() }},

segments_of_model as (
    select
        {% for feature in features %}
            {{ model_number('coefficient', feature) }} as weight_{{ feature.name }},
            {{ model_number('centroid', feature) }} as centroid_{{ feature.name }},
        {% endfor %}
        parameters.segment
    from current_model as parameters
    where parameters.segment is not null
    group by parameters.segment
),

-- What tells one segment from another: the difference of two scores is 0 in the middle between the
-- centres, and each feature adds to it its distance from there times the difference of the weights.
pairs as (
    select
        {% for feature in features %}
            own.weight_{{ feature.name }} - other.weight_{{ feature.name }}
                as weight_{{ feature.name }},
            model.mean_{{ feature.name }} + model.scale_{{ feature.name }}
            * (own.centroid_{{ feature.name }} + other.centroid_{{ feature.name }}) / 2
                as middle_{{ feature.name }},
        {% endfor %}
        own.segment,
        other.segment as other_segment
    from segments_of_model as own
    inner join segments_of_model as other on own.segment != other.segment
    cross join model
),

contributions as (
    select
        scored.*,
        user_segments.segment,
        user_segments.runner_up_segment,
        user_segments.margin,
        case
            {% for segment in segments %}
                when user_segments.segment = {{ segment }} then scored.score_{{ segment }}
            {% endfor %}
        end as best_score,
        {% for feature in features %}
            pairs.weight_{{ feature.name }}
            * (scored.{{ feature.name }} - pairs.middle_{{ feature.name }})
                as contribution_{{ feature.name }},
            -- A reason speaks for the segment and is unusual, too: more than the average and than
            -- the middle between the centres, or less than both.
            case
                when
                    scored.{{ feature.name }} > pairs.middle_{{ feature.name }}
                    and scored.raw_{{ feature.name }} > averages.{{ feature.name }}
                    then 'more'
                when
                    scored.{{ feature.name }} < pairs.middle_{{ feature.name }}
                    and scored.raw_{{ feature.name }} < averages.{{ feature.name }}
                    then 'less'
            end as direction_{{ feature.name }},
            {{ bound_of_feature(feature, 'low') }} as lowest_{{ feature.name }},
            {{ bound_of_feature(feature, 'high') }} as highest_{{ feature.name }},
        {% endfor %}
        user_segments.as_of
    from scored
    inner join user_segments on scored.user_key = user_segments.user_key
    inner join pairs
        on
            user_segments.segment = pairs.segment
            and user_segments.runner_up_segment = pairs.other_segment
    cross join averages
    cross join model
),

-- the three greatest, one after another
{% for rank in (1, 2, 3) %}
    {% set above = 'contributions' if rank == 1 else 'top_' ~ (rank - 1) %}
    top_{{ rank }} as (
        select
            {{ above }}.*,
            greatest(
                {% for feature in features %}
                    {% set contribution = above ~ '.contribution_' ~ feature.name %}
                    case
                        when
                            {{ contribution }} > 0
                            and {{ above }}.direction_{{ feature.name }} is not null
                            {% if rank > 1 %}
                                and {{ contribution }} < {{ above }}.top_{{ rank - 1 }}
                            {% endif %}
                            then {{ contribution }}
                    end{{ ',' if not loop.last }}
                {% endfor %}
            ) as top_{{ rank }}
        from {{ above }}
    ),

{% endfor %}
-- How near another segment is, in standard deviations of the one feature that leads there soonest.
distances as (
    select
        {% for segment in segments %}
            {% set gap = '(users.best_score - users.score_' ~ segment ~ ')' %}
            case
                when users.segment != {{ segment }}
                    then {{ gap }} * least(
                        {% for feature in features %}
                            {% set slope = '(own.weight_' ~ feature.name ~ ' - model.weight_'
                                ~ segment ~ '_' ~ feature.name ~ ')' %}
                            {{ step_of_feature(feature, slope, gap) }}{{ ',' if not loop.last }}
                        {% endfor %}
                    )
            end as distance_{{ segment }},
        {% endfor %}
        least(
            {% for feature in features %}
                users.contribution_{{ feature.name }}{{ ',' if not loop.last }}
            {% endfor %}
        ) as least_contribution,
        users.*
    from top_3 as users
    inner join segments_of_model as own on users.segment = own.segment
    cross join model
),

nearest as (
    select
        distances.*,
        least(
            {% for segment in segments %}
                distances.distance_{{ segment }}{{ ',' if not loop.last }}
            {% endfor %}
        ) as counterfactual_distance
    from distances
),

reached as (
    select
        nearest.*,
        case
            {% for segment in segments %}
                when nearest.distance_{{ segment }} = nearest.counterfactual_distance
                    then {{ segment }}
            {% endfor %}
        end as counterfactual_segment,
        case
            {% for segment in segments %}
                when nearest.distance_{{ segment }} = nearest.counterfactual_distance
                    then nearest.best_score - nearest.score_{{ segment }}
            {% endfor %}
        end as gap
    from nearest
),

segmentation_contributions as (
    select
        users.user_key,
        users.segment,
        users.runner_up_segment,
        users.model_version,
        users.margin,
        {% for feature in features %}
            users.contribution_{{ feature.name }},
        {% endfor %}
        {% for rank in (1, 2, 3) %}
            {% for column in ('reason', 'direction', 'value') %}
                case
                    {% for feature in features %}
                        when users.contribution_{{ feature.name }} = users.top_{{ rank }}
                            then
                                {% if column == 'reason' %}
                                    '{{ feature.name }}'
                                {% elif column == 'direction' %}
                                    users.direction_{{ feature.name }}
                                {% else %}
                                    users.raw_{{ feature.name }}
                                {% endif %}
                    {% endfor %}
                end as {{ column }}_{{ rank }},
            {% endfor %}
        {% endfor %}
        case
            {% for feature in features %}
                when
                    users.least_contribution < 0
                    and users.contribution_{{ feature.name }} = users.least_contribution
                    then '{{ feature.name }}'
            {% endfor %}
        end as objection,
        {% for column in ('feature', 'value') %}
            case
                {% for feature in features %}
                    {% set slope = 'pairs.weight_' ~ feature.name %}
                    when
                        users.gap * {{ step_of_feature(feature, slope, 'users.gap') }}
                        = users.counterfactual_distance
                        then
                            {% if column == 'feature' %}
                                '{{ feature.name }}'
                            {% else %}
                                {{ inverse_transform_feature(
                                    feature, 'users.' ~ feature.name ~ ' - users.gap / ' ~ slope
                                ) }}
                            {% endif %}
                {% endfor %}
            end as counterfactual_{{ column }},
        {% endfor %}
        users.counterfactual_segment,
        users.counterfactual_distance,
        users.as_of
    from reached as users
    left join pairs
        on users.segment = pairs.segment and users.counterfactual_segment = pairs.other_segment
    cross join model
)

select * from segmentation_contributions
