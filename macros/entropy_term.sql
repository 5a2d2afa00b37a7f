{# One term of Shannon's entropy, in nats: 0 for an empty part. #}
{% macro entropy_term(part, whole) -%}
    case
        when {{ part }} > 0
            then
                -(cast({{ part }} as double precision) / {{ whole }})
                * ln(cast({{ part }} as double precision) / {{ whole }})
        else 0
    end
{%- endmacro %}
