{# Post-hook of segmentation_health: asks the next build for a new model version, where the policy says so
   and people let it. Asked once a version: after a challenger that was refused, a person decides. #}
{% macro request_retrain() %}
    {% if var('retrain') == 'auto' and var('as_of') is none %}
        {% set selection = ref('segmentation_k_selection') %}
        update {{ selection }}
        set retrain_requested_at = (
            select cast(max(health.as_of) as timestamp) from {{ this }} as health
        )
        where
            is_chosen
            and retrain_requested_at is null
            and model_version = (select max(model_version) from {{ selection }})
            and model_version in (
                select health.model_version
                from {{ this }} as health
                where health.is_latest and health.is_current and health.verdict = 'retrain'
            )
    {% endif %}
{% endmacro %}


{# What a report says of a measure that passed a limit; nothing where it passed none. `side` is > or <,
   on which the limits are passed; those that do not exist are skipped. #}
{% macro limit_passed(measure, name, side, limits) -%}
    {%- set limits = limits | select('number') | sort(reverse=(side == '>')) -%}
    {%- if limits -%}
        case
            {% for limit in limits %}
                when {{ measure }} {{ side }} {{ limit }}
                    then
                        {{ quoted(name ~ ' ') }}
                        || cast(cast({{ measure }} as decimal(18, 2)) as varchar(32))
                        || {{ quoted(' ' ~ side ~ ' ' ~ limit ~ '; ') }}
            {% endfor %}
            else ''
        end
    {%- else -%}
        ''
    {%- endif -%}
{%- endmacro %}
