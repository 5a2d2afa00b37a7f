{# The event files at AMAZING_EVENTS, sorted by name, each with path, source_file, size_bytes and
   modified_at (UTC, as text). #}
{% macro listed_event_files() %}
    {{ return(adapter.dispatch('listed_event_files')()) }}
{% endmacro %}


{# A text that is another for another content of a file. #}
{% macro content_of(file) %}
    {{ return(adapter.dispatch('content_of')(file)) }}
{% endmacro %}


{# Adds the lines of a file that are events, keeps the others aside and counts both in `read`, or says
   there why the file cannot be read. #}
{% macro load_event_lines(file, target_relation, progress, read) %}
    {% do adapter.dispatch('load_event_lines')(file, target_relation, progress, read) %}
{% endmacro %}


{# SQL of the place of a line among those that load_event_lines lays ready. #}
{% macro line_place() -%}
    {{ return(adapter.dispatch('line_place')()) }}
{%- endmacro %}

{% macro duckdb__line_place() -%}
    row_number() over ()
{%- endmacro %}

{% macro redshift__line_place() -%}
    event_lines.line_place
{%- endmacro %}


{# SQL that counts what was left out as a duplicate. #}
{% macro count_duplicates(duplicates) -%}
    insert into duplicates_by_part
    select
        count(*),
        count(case when is_across then 1 end),
        count(case when event_type = 'purchase' then 1 end),
        sum(case when event_type = 'purchase' then price end),
        min(event_at),
        max(event_at)
    from {{ duplicates }}
{%- endmacro %}
