{% macro keyed_hash(expression) -%}
    {{ return(adapter.dispatch('keyed_hash')(expression)) }}
{%- endmacro %}

{% macro duckdb__keyed_hash(expression) -%}
    cast(
        '0x' || left(
            sha256(
                {{ pseudonym_key() }}
                || sha256({{ pseudonym_key() }} || {{ expression }})
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
        '0x' || left(md5({{ pseudonym_key() }} || {{ expression }}), 15) as bigint
    )
{%- endmacro %}

{% macro redshift__keyed_digest(expression) -%}
    strtol(left(md5({{ pseudonym_key() }} || {{ expression }}), 15), 16)
{%- endmacro %}


{# SQL of the secret: no value, so that it is in no compiled SQL and no log. #}
{% macro pseudonym_key() -%}
    {{ return(adapter.dispatch('pseudonym_key')()) }}
{%- endmacro %}

{% macro duckdb__pseudonym_key() -%}
    getvariable('amazing_pseudonym_key')
{%- endmacro %}

{% macro redshift__pseudonym_key() -%}
    (select secret.pseudonym_key from {{ pseudonym_key_table() }} as secret)
{%- endmacro %}

{% macro pseudonym_key_table() -%}
    {{ return(api.Relation.create(target.database, generate_schema_name('secrets'), 'pseudonym_key')) }}
{%- endmacro %}


{# Makes AMAZING_PSEUDONYM_KEY known to the warehouse. #}
{% macro prepare_pseudonym_key() %}
    {% do adapter.dispatch('prepare_pseudonym_key')() %}
{% endmacro %}

{# The plugin has given it to each session. #}
{% macro duckdb__prepare_pseudonym_key() %}
{% endmacro %}

{# It stays in the warehouse: later builds do without the environment's. #}
{% macro redshift__prepare_pseudonym_key() %}
    {% set secret = pseudonym_key_table() %}
    {% call statement('create_secret', auto_begin=False) %}
        create schema if not exists {{ secret.schema }};
        create table if not exists {{ secret }} (pseudonym_key varchar(256));
    {% endcall %}
    {# a shorter one is refused by the check that comes next #}
    {% if env_var('AMAZING_PSEUDONYM_KEY', '') | length >= 32 %}
        {% if should_full_refresh() %}
            {% do run_query('delete from ' ~ secret) %}
        {% endif %}
        {% do adapter.execute_with_environment(
            'insert into ' ~ secret ~ ' select cast(? as varchar(256)) where not exists (select 1 from '
            ~ secret ~ ')', ['AMAZING_PSEUDONYM_KEY']
        ) %}
        {% set others = adapter.execute_with_environment(
            'select count(*) from ' ~ secret ~ ' where pseudonym_key != ?', ['AMAZING_PSEUDONYM_KEY']
        ) %}
        {% if others[0][0] %}
            {% do refuse_pseudonym_key() %}
        {% endif %}
    {% endif %}
{% endmacro %}
