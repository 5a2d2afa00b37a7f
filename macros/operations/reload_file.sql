{# Asks for a loaded event file to be loaded anew by the next build, whatever its content. Nothing is
   changed before: should the new content be refused, the old rows stay. #}
{% macro reload_file(source_file) %}
    {% set ledger = ref('stg_event_files') %}
    {% set query %}
        with recursive

        in_place as (
            select * from {{ ledger }} where state in ('loaded', 'duplicate')
        ),

        -- with it, files that left rows or all of their content out because this one had them; and
        -- so on, for a file that is loaded anew may have other content too
        to_reload as (
            select in_place.* from in_place where in_place.source_file = {{ quoted(source_file) }}
            union
            select other.*
            from in_place as other
            inner join to_reload as file
                on
                    other.same_content_as = file.source_file
                    or (
                        other.duplicate_across_count > 0
                        and other.loaded_at > file.loaded_at
                        and other.first_event_at <= file.last_event_at
                        and other.last_event_at >= file.first_event_at
                    )
        )

        select source_file from to_reload order by loaded_at, source_file
    {% endset %}
    {% set files = run_query(query).columns[0].values() %}
    {% if not files %}
        {% do exceptions.raise_compiler_error(
            'no file of the name ' ~ source_file ~ ' was loaded: see ' ~ ledger
        ) %}
    {% endif %}
    {% do run_query(
        'update ' ~ ledger ~ " set reload_requested_at = current_timestamp at time zone 'UTC' "
        ~ "where state in ('loaded', 'duplicate') and source_file in (select source_file from ("
        ~ query ~ '))'
    ) %}
    {% do log('The next dbt build loads anew: ' ~ files | join(', '), info=true) %}
{% endmacro %}
