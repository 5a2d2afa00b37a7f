{# What tables were made of when they were built: one row a table. #}

{% macro made_of_table() %}
    {{ return(api.Relation.create(target.database, generate_schema_name('staging'), 'tables_made_of')) }}
{% endmacro %}


{% macro made_of(relation) %}
    {% do run_query(
        'create table if not exists ' ~ made_of_table()
        ~ ' (relation_name varchar(256) primary key, inputs varchar(256))'
    ) %}
    {% set rows = run_query(
        'select inputs from ' ~ made_of_table() ~ ' where relation_name = '
        ~ quoted(relation.schema ~ '.' ~ relation.identifier)
    ).rows %}
    {{ return(rows[0][0] if rows else '') }}
{% endmacro %}


{% macro record_made_of(relation, inputs) %}
    {% set relation_name = quoted(relation.schema ~ '.' ~ relation.identifier) %}
    update {{ made_of_table() }} set inputs = {{ quoted(inputs) }}
    where relation_name = {{ relation_name }};

    insert into {{ made_of_table() }}
    select
        {{ relation_name }} as relation_name,
        {{ quoted(inputs) }} as inputs
    where not exists (
        select 1 from {{ made_of_table() }} where relation_name = {{ relation_name }}
    )
{% endmacro %}
