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
