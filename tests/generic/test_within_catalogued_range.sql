{# Protects what the catalogue promises of each feature: its range, and that it is never null
   unless its meta says `nullable: true`. One scan for all features; a row is a feature that breaks
   the promise. #}
{% test within_catalogued_range(model) %}
    with

    extremes as (
        select
            {% for feature in catalogued_features() %}
                min({{ feature.name }}) as minimum_{{ loop.index }},
                max({{ feature.name }}) as maximum_{{ loop.index }},
                count(*) - count({{ feature.name }}) as null_count_{{ loop.index }}
                {{- ',' if not loop.last }}
            {% endfor %}
        from {{ model }}
    ),

    checked as (
        {% for feature in catalogued_features() %}
            select
                '{{ feature.name }}' as feature,
                minimum_{{ loop.index }} as minimum,
                maximum_{{ loop.index }} as maximum,
                null_count_{{ loop.index }} as null_count
            from extremes
            where
                minimum_{{ loop.index }} < {{ feature.minimum }}
                {# where there is no maximum, only infinity and NaN lie above #}
                or maximum_{{ loop.index }} > {{ feature.maximum | default('1e300') }}
                {% if not feature.nullable %}or null_count_{{ loop.index }} > 0{% endif %}
            {{ 'union all' if not loop.last }}
        {% endfor %}
    )

    select * from checked
{% endtest %}
