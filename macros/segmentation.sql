{# The features of user_features as its YAML documents them, in the order of the columns:
   a list of {name, definition, family, unit, minimum, maximum, transform, in_model, why}. #}
{% macro catalogued_features() %}
    {% set features = [] %}
    {% if execute %}
        {% for column in graph.nodes['model.amazing_segments.user_features'].columns.values() %}
            {% if column.meta.family is defined %}
                {% do features.append(dict(
                    column.meta, name=column.name, definition=column.description
                )) %}
            {% endif %}
        {% endfor %}
    {% endif %}
    {{ return(features) }}
{% endmacro %}


{# Names and transforms of the features that the model uses. #}
{% macro model_features() %}
    {{ return(catalogued_features() | selectattr('in_model') | list) }}
{% endmacro %}


{# The most segments that a model may have: the scoring SQL holds a place for each. #}
{% macro max_segments() %}
    {{ return(12) }}
{% endmacro %}


{# Events of the users from whom a model is trained: the variable min_events where it is set, else a
   few, so that habits show at all. #}
{% macro training_min_events() %}
    {{ return(var('min_events') or 8) }}
{% endmacro %}


{# What the model takes a feature for, before clipping: the same operations in the same order as
   the package's fit. `users` and `model` are relations in sight; a shrunk share is drawn to the
   mean of all users as if two average sessions stood beside the user's own. #}
{% macro transform_feature(feature) -%}
    {%- if feature.transform == 'log' -%}
        ln(users.{{ feature.name }})
    {%- elif feature.transform == 'log1p' -%}
        ln(1 + users.{{ feature.name }})
    {%- elif feature.transform == 'shrunk' -%}
        (users.{{ feature.name }} * users.session_count + 2 * model.prior_{{ feature.name }})
        / (users.session_count + 2)
    {%- else -%}
        users.{{ feature.name }}
    {%- endif -%}
{%- endmacro %}


{# One number of the model, picked from its rows: by parameter, feature and segment. #}
{% macro model_number(parameter, feature=none, segment=none) -%}
    max(
        case
            when
                parameters.parameter = '{{ parameter }}'
                {%- if feature %}
                and parameters.feature = '{{ feature.name }}'
                {%- endif %}
                {%- if segment %}
                and parameters.segment = {{ segment }}
                {%- endif %}
                then parameters.value
        end
    )
{%- endmacro %}


{# Common table expressions that end in `scored`: each eligible user of the relation `users`, with the
   features as the model takes them, and the score of each segment. `is_model` tells which one of the
   relation `models` that is. #}
{% macro scored_users(is_model='models.is_current') %}
    {% set features = model_features() %}
    {% set segments = range(1, max_segments() + 1) %}
    current_model as (
        select parameters.*
        from {{ ref('segmentation_parameters') }} as parameters
        inner join {{ ref('segmentation_models') }} as models
            on parameters.model_version = models.model_version
        where {{ is_model }}
    ),

    -- The model as one row, so that each user meets all its numbers at once. A segment that
    -- the model does not have has no numbers, and so no score.
    model as (
        select
            {% for feature in features %}
                {{ model_number('prior', feature) }} as prior_{{ feature.name }},
                {{ model_number('clip_low', feature) }} as low_{{ feature.name }},
                {{ model_number('clip_high', feature) }} as high_{{ feature.name }},
                {{ model_number('mean', feature) }} as mean_{{ feature.name }},
                {{ model_number('scale', feature) }} as scale_{{ feature.name }},
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
                users.{{ feature.name }} as raw_{{ feature.name }},
            {% endfor %}
            users.session_count
        from users
        cross join model
        cross join {{ ref('segmentation_threshold') }} as threshold
        where not users.is_robot and users.event_count >= threshold.min_events
    ),

    scored as (
        select
            transformed.*,
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
    )
{% endmacro %}


{# The value of a feature that the model takes for `transformed`, clipping aside. #}
{% macro inverse_transform_feature(feature, transformed) -%}
    {%- if feature.transform == 'log' -%}
        exp({{ transformed }})
    {%- elif feature.transform == 'log1p' -%}
        exp({{ transformed }}) - 1
    {%- elif feature.transform == 'shrunk' -%}
        (
            ({{ transformed }}) * (users.session_count + 2) - 2 * model.prior_{{ feature.name }}
        ) / users.session_count
    {%- else -%}
        {{ transformed }}
    {%- endif -%}
{%- endmacro %}


{# Up to where a change of a feature moves the score: the bound of the training, and for a share what 0
   or 1 is drawn to. `scored` and `model` are in sight. #}
{% macro bound_of_feature(feature, bound) -%}
    {%- if feature.transform == 'shrunk' -%}
        {{ 'greatest' if bound == 'low' else 'least' }}(
            model.{{ bound }}_{{ feature.name }},
            ({{ 0 if bound == 'low' else 'scored.session_count' }} + 2 * model.prior_{{ feature.name }})
            / (scored.session_count + 2)
        )
    {%- else -%}
        model.{{ bound }}_{{ feature.name }}
    {%- endif -%}
{%- endmacro %}


{# How many standard deviations of a feature make up for a difference of scores of 1, when one of it
   changes the difference by `slope`; null where a user would leave the bounds on the way over `gap`. #}
{% macro step_of_feature(feature, slope, gap) -%}
    case
        when
            {{ slope }} != 0
            and users.{{ feature.name }} - ({{ gap }}) / ({{ slope }})
            between users.lowest_{{ feature.name }} and users.highest_{{ feature.name }}
            then 1 / (abs({{ slope }}) * model.scale_{{ feature.name }})
    end
{%- endmacro %}


{# A value in the words of a report: a share in per cent, others with one decimal. #}
{% macro value_text(value, is_share) -%}
    case
        when {{ is_share }}
            then cast(cast(floor(100 * {{ value }} + 0.5) as bigint) as varchar(32)) || ' %'
        else cast(cast(floor(10 * {{ value }} + 0.5) / 10 as decimal(18, 1)) as varchar(32))
    end
{%- endmacro %}
