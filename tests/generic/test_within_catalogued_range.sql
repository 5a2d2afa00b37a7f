{# Protects what the catalogue promises of each feature: its range, and that it is never null
   unless its meta says `nullable: true`. One scan for all features; a row is a user and the
   features that break the promise. #}
{% test within_catalogued_range(model, key) %}
    with

    checked as (
        select
            {{ key }},
            {% for feature in catalogued_features() %}
                {# where there is no maximum, only infinity and NaN lie above #}
                case
                    when {{ feature.name }} is null
                        then {{ "''" if feature.nullable else "' " ~ feature.name ~ "'" }}
                    when
                        {{ feature.name }} >= {{ feature.minimum }}
                        and {{ feature.name }} <= {{ feature.maximum | default('1e300') }}
                        then ''
                    else ' {{ feature.name }}'
                end {{ '||' if not loop.last }}
            {% endfor %} as wrong_features
        from {{ model }}
    )

    select * from checked
    where wrong_features <> ''
{% endtest %}
