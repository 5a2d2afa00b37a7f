{% macro keyed_hash(expression) -%}
    {{ return(adapter.dispatch('keyed_hash')(expression)) }}
{%- endmacro %}

{% macro duckdb__keyed_hash(expression) -%}
    cast(
        '0x' || left(
            sha256(
                getvariable('amazing_pseudonym_key')
                || sha256(getvariable('amazing_pseudonym_key') || {{ expression }})
            ),
            15
        ) as bigint
    )
{%- endmacro %}
