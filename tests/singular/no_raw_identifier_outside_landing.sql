-- Protects customers: raw identifiers go no further than the event files. A column that bears one
-- of their names anywhere else would carry them on.
-- depends_on: {{ ref('data_quality') }}
-- depends_on: {{ ref('segmentation_sample') }}
-- depends_on: {{ ref('segments') }}
-- depends_on: {{ ref('user_segments') }}
{% set schemas = [] %}
{% for node in (graph.nodes or {}).values() %}
    {% do schemas.append(quoted(node.schema)) %}
{% endfor %}

with

raw_identifiers as (
    select
        columns.table_schema,
        columns.table_name,
        columns.column_name
    from information_schema.columns as columns
    where
        lower(columns.column_name) in ('user_id', 'user_session')
        and columns.table_schema in ({{ schemas | unique | sort | join(', ') }})
)

select * from raw_identifiers
