{# Builds the rows that a batch of loads touched, in one transaction. `recorded` is SQL that notes down
   how far the table is built. #}
{% macro build_batch(batch, replaces_all, recorded) %}
    {% do adapter.dispatch('build_batch')(batch, replaces_all, recorded) %}
{% endmacro %}


{# Slice by slice of the users, so that memory grows neither with the users nor with the files; sorted
   by user, so that a slice is read without the others. #}
{% macro duckdb__build_batch(batch, replaces_all, recorded) %}
    {% call statement('begin_batch', auto_begin=False) %}
        set variable amazing_built_until = timestamp '{{ batch.built_until }}';
        set variable amazing_build_until = timestamp '{{ batch.build_until }}';
        begin;
        {% if replaces_all %}
            truncate {{ this }};
        {% endif %}
        set variable amazing_last_rowid = (select coalesce(max(rowid), -1) from {{ this }});
    {% endcall %}
    {% do insert_slices(batch.event_count) %}
    {% call statement('end_batch', auto_begin=False) %}
        {% if not replaces_all %}{{ delete_rebuilt() }};{% endif %}
        {{ recorded }};
        commit;
    {% endcall %}
{% endmacro %}


{# Ten million events make sessions of some 2.4 GB while they are summed up. #}
{% macro insert_slices(event_count) %}
    {% set columns = model.columns.values() | map(attribute='name') | join(', ') %}
    {% set slice_count = 1 + event_count | int // 10000000 %}
    {% set key_end = 2 ** 60 %}
    {% for slice in range(slice_count) %}
        {% call statement('insert_slice', auto_begin=False) %}
            set variable amazing_slice_from = {{ key_end * slice // slice_count }};
            set variable amazing_slice_to = {{ key_end * (slice + 1) // slice_count - 1 }};
            insert into {{ this }} ({{ columns }})
            select {{ columns }} from ({{ sql }}) as rebuilt
            order by user_key;
        {% endcall %}
    {% endfor %}
{% endmacro %}


{# SQL of the keys whose rows may be no more: of a session whose events were withdrawn, of a user whose
   only session now ends past `as_of`. #}
{% macro touched_keys() %}
    {% set key = config.require('unique_key') %}
    select {{ key }} from {{ ref('stg_withdrawn_events') }}
    where withdrawn_at > {{ built_until() }} and withdrawn_at <= {{ build_until() }}
    {% if config.get('touched_by') %}
        union all
        select {{ key }} from {{ ref(config.get('touched_by')) }}
        where changed_at > {{ built_until() }}
    {% endif %}
{% endmacro %}


{# SQL that takes out the old rows of what was rebuilt, and of what is no more. #}
{% macro delete_rebuilt() %}
    {% set key = config.require('unique_key') %}
    delete from {{ this }}
    where
        rowid <= getvariable('amazing_last_rowid')
        and {{ key }} in (
            select {{ key }} from {{ this }}
            where rowid > getvariable('amazing_last_rowid')
            union all
            {{ touched_keys() }}
        )
{% endmacro %}


{# The rebuilt rows first, aside: the model reads the table that they go into. #}
{% macro redshift__build_batch(batch, replaces_all, recorded) %}
    {% set key = config.require('unique_key') %}
    {% set columns = model.columns.values() | map(attribute='name') | join(', ') %}
    {% set rebuilt = this.identifier ~ '__rebuilt' %}
    {% call statement('rebuild', auto_begin=False) %}
        drop table if exists {{ rebuilt }};
        create temporary table {{ rebuilt }} as
        select {{ columns }} from ({{ with_window(sql, batch) }}) as rebuilt;
    {% endcall %}
    {% set deletion %}
        delete from {{ this }}
        {% if not replaces_all %}
            where {{ key }} in (
                select {{ key }} from {{ rebuilt }}
                union all
                {{ touched_keys() }}
            )
        {% endif %}
    {% endset %}
    {% call statement('end_batch', auto_begin=False) %}
        begin;
        {{ with_window(deletion, batch) }};
        insert into {{ this }} ({{ columns }}) select {{ columns }} from {{ rebuilt }};
        {{ recorded }};
        commit;
        drop table {{ rebuilt }};
    {% endcall %}
{% endmacro %}


{# SQL with the literals that built_until() and build_until() stand for. #}
{% macro with_window(sql, batch) -%}
    {{ return(
        sql
        | replace(built_until(), "timestamp '" ~ batch.built_until ~ "'")
        | replace(build_until(), "timestamp '" ~ batch.build_until ~ "'")
    ) }}
{%- endmacro %}
