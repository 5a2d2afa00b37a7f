{# Copies the marts of a DuckDB warehouse to Redshift, for teams that compute on DuckDB. They are made
   aside and take their places in one transaction: readers see all the old ones or all the new ones. #}
{% macro publish_marts(warehouse=env_var('AMAZING_WAREHOUSE', 'data/amazing.duckdb')) %}
    {% if target.type != 'redshiftpy' %}
        {% do exceptions.raise_compiler_error(
            'publish_marts copies to Redshift: expected --target redshift, found ' ~ target.name
        ) %}
    {% endif %}
    {% set schema = api.Relation.create(target.database, generate_schema_name('marts')) %}
    {% do adapter.create_schema(schema) %}
    {% set marts = graph.nodes.values() | selectattr('schema', 'equalto', schema.schema)
        | sort(attribute='name') | list %}
    {% set staged = adapter.stage_duckdb_tables(
        warehouse, 'marts', marts | map(attribute='name') | list
    ) %}
    {% set replacements = [] %}
    {% for mart in marts %}
        {% set published = api.Relation.create(
            schema.database, schema.schema, mart.name ~ '__published', type='table'
        ) %}
        {% set columns = mart.columns.values() | map(attribute='name') | join(', ') %}
        {% call statement('publish', auto_begin=False) %}
            drop table if exists {{ published }};
            {{ create_declared_table(published, mart) }};
            insert into {{ published }} ({{ columns }})
            select {{ columns }} from {{ staged[mart.name] }};
            drop table {{ staged[mart.name] }};
        {% endcall %}
        {% do run_query(alter_relation_comment(published, mart.description)) %}
        {% do run_query(alter_column_comment(published, mart.columns)) %}
        {% set old = adapter.get_relation(schema.database, schema.schema, mart.name) %}
        {% if old %}
            {% do replacements.append('drop ' ~ old.type ~ ' ' ~ old ~ ' cascade') %}
        {% endif %}
        {% do replacements.append('alter table ' ~ published ~ ' rename to ' ~ mart.name) %}
    {% endfor %}
    {% call statement('replace', auto_begin=False) %}
        begin;
        {{ replacements | join(';\n        ') }};
        commit;
    {% endcall %}
    {% do log(
        'Published ' ~ marts | map(attribute='name') | join(', ') ~ ' of ' ~ warehouse
        ~ ' to ' ~ schema, info=true
    ) %}
{% endmacro %}
