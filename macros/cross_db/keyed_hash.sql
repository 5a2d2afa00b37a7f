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


{% macro redshift__keyed_hash(expression) -%}
    strtol(left(sha2({{ pseudonym_key() }} || sha2({{ pseudonym_key() }} || {{ expression }}, 256), 256), 15), 16)
{%- endmacro %}


{% macro keyed_digest(expression) -%}
    {{ return(adapter.dispatch('keyed_digest')(expression)) }}
{%- endmacro %}

{% macro duckdb__keyed_digest(expression) -%}
    cast(
        '0x' || left(md5(getvariable('amazing_pseudonym_key') || {{ expression }}), 15) as bigint
    )
{%- endmacro %}

{% macro redshift__keyed_digest(expression) -%}
    strtol(left(md5({{ pseudonym_key() }} || {{ expression }}), 15), 16)
{%- endmacro %}


{# A query, not a value, so that the secret is in no compiled SQL and no log. #}
{% macro pseudonym_key() -%}
    (select secret.pseudonym_key from {{ pseudonym_key_table() }} as secret)
{%- endmacro %}

{% macro pseudonym_key_table() -%}
    {{ return(api.Relation.create(target.database, 'secrets', 'pseudonym_key')) }}
{%- endmacro %}
