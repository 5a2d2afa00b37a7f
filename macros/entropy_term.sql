{# One term of Shannon's entropy, in nats: 0 for an empty part. #}
{% macro entropy_term(part, whole) -%}
    case
        when {{ part }} > 0
            then -({{ part }} * 1.0e0 / {{ whole }}) * ln({{ part }} * 1.0e0 / {{ whole }})
        else 0
    end
{%- endmacro %}
