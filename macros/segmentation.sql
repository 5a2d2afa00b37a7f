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
