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


{% macro keyed_digest(expression) -%}
    {{ return(adapter.dispatch('keyed_digest')(expression)) }}
{%- endmacro %}

{% macro duckdb__keyed_digest(expression) -%}
    cast(
        '0x' || left(md5(getvariable('amazing_pseudonym_key') || {{ expression }}), 15) as bigint
    )
{%- endmacro %}
