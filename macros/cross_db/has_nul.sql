{% macro has_nul(text) -%}
    {{ return(adapter.dispatch('has_nul')(text)) }}
{%- endmacro %}

{% macro duckdb__has_nul(text) -%}
    {{ text }} like '%' || chr(0) || '%'
{%- endmacro %}

{# COPY lets no such text in. #}
{% macro redshift__has_nul(text) -%}
    false
{%- endmacro %}
