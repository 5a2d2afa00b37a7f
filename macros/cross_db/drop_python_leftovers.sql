{% macro drop_python_leftovers() -%}
    {{ return(adapter.dispatch('drop_python_leftovers')()) }}
{%- endmacro %}

{% macro default__drop_python_leftovers() -%}
{%- endmacro %}

{% macro duckdb__drop_python_leftovers() -%}
    {%- if execute -%}
        {%- set query -%}
            select tables.table_schema, tables.table_name
            from information_schema.tables as tables
            where starts_with(tables.table_name, '{{ this.identifier }}__dbt_tmp')
        {%- endset -%}
        {%- for row in run_query(query).rows -%}
            drop table {{ api.Relation.create(this.database, row[0], row[1]) }};
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
