{# Asks for a loaded event file to be loaded anew by the next build, whatever its content. Nothing is
   changed before: should the new content be refused, the old rows stay. #}
{% macro reload_file(source_file) %}
    {% set ledger = ref('stg_event_files') %}
    {% set in_place = "state in ('loaded', 'duplicate')" %}
    {# files that left rows or all of their content out because another one had them #}
    {% set query %}
        select
            file.source_file,
            other.source_file as other_file
        from (select * from {{ ledger }} where {{ in_place }}) as file
        inner join (select * from {{ ledger }} where {{ in_place }}) as other
            on
                other.same_content_as = file.source_file
                or (
                    other.duplicate_across_count > 0
                    and other.loaded_at > file.loaded_at
                    and other.first_event_at <= file.last_event_at
                    and other.last_event_at >= file.first_event_at
                )
    {% endset %}
    {% set pairs = run_query(query).rows %}
    {% set to_reload = [source_file] %}
    {# and so on, for a file that is loaded anew may have other content too #}
    {% for _ in pairs %}
        {% for pair in pairs if pair.source_file in to_reload and pair.other_file not in to_reload %}
            {% do to_reload.append(pair.other_file) %}
        {% endfor %}
    {% endfor %}
    {% set names = [] %}
    {% for name in to_reload %}{% do names.append(quoted(name)) %}{% endfor %}
    {% set are_to_reload = in_place ~ ' and source_file in (' ~ names | join(', ') ~ ')' %}
    {% set files = run_query(
        'select source_file from ' ~ ledger ~ ' where ' ~ are_to_reload
        ~ ' order by loaded_at, source_file'
    ).columns[0].values() %}
    {% if not files %}
        {% do exceptions.raise_compiler_error(
            'no file of the name ' ~ source_file ~ ' was loaded: see ' ~ ledger
        ) %}
    {% endif %}
    {% do run_query(
        'update ' ~ ledger ~ " set reload_requested_at = timestamp '"
        ~ modules.datetime.datetime.utcnow() ~ "' where " ~ are_to_reload
    ) %}
    {% do log('The next dbt build loads anew: ' ~ files | join(', '), info=true) %}
{% endmacro %}
