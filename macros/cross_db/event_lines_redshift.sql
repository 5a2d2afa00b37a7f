{# Event files on Redshift: S3 objects, copied into a landing table as whole lines and parted there, so
   that a line of too few columns is kept with its text. COPY by columns would tell its number alone. #}

{% macro redshift__listed_event_files() %}
    {{ return(adapter.s3_objects(env_var('AMAZING_EVENTS', ''), ['.csv', '.csv.gz'])) }}
{% endmacro %}


{% macro redshift__content_of(file) %}
    {{ return(file.etag) }}
{% endmacro %}


{% macro redshift__load_event_lines(file, target_relation, progress, read) %}
    {% set landing = source('landing', 'event_lines').incorporate(path={'identifier': 'event_file_lines'}) %}
    {% set columns = model.columns.values() | map(attribute='name') | join(', ') %}
    {% do log(progress.file, info=true) %}
    {% call statement('begin_lines', auto_begin=False) %}
        create schema if not exists {{ landing.schema }};
        create table if not exists {{ landing }} (
            line_id bigint identity(1, 1),
            line varchar(65535)
        );
        delete from {{ landing }};
    {% endcall %}

    {# no byte of a text file is 1, so that a line is one column #}
    {% set copy_error = adapter.try_execute(
        'copy ' ~ landing ~ ' (line) from ' ~ quoted(file.path) ~ ' iam_role '
        ~ adapter.iam_role() ~ (' gzip' if file.path.endswith('.gz') else '')
        ~ " delimiter '\\001' encoding utf8 ignoreblanklines maxerror 100000"
    ) %}
    {% if copy_error %}
        {% set read.refusal = file.path ~ ': ' ~ copy_error ~ ' Nothing of it was loaded.' %}
        {{ return(none) }}
    {% endif %}
    {# by length, for comparisons on Redshift pass over blanks at the end #}
    {% set landed_lines %}
        select
            line_id,
            rtrim(line, chr(13)) as line,
            right(line, 1) = chr(13) as is_crlf
        from {{ landing }}
        where length(rtrim(line, chr(13))) > 0
    {% endset %}
    {% set query %}
        select
            count(*) as line_count,
            count(case when is_crlf then 1 end) as crlf_count,
            (
                select line from ({{ landed_lines }}) as lines order by line_id limit 1
            ) as first_line
        from ({{ landed_lines }}) as lines
    {% endset %}
    {% set landed = run_query(query).rows[0] %}
    {% set wrong = header_fault(landed.first_line) %}
    {% if wrong %}
        {% set read.refusal = file.path ~ ': ' ~ wrong ~ '. Nothing of it was loaded.' %}
        {{ return(none) }}
    {% elif landed.crlf_count not in (0, landed.line_count, landed.line_count - 1) %}
        {% set read.refusal = file.path ~ ': mixed line ends; expected LF or CRLF throughout. '
            ~ 'Nothing of it was loaded.' %}
        {{ return(none) }}
    {% endif %}

    {% set placed_lines %}
        select
            line,
            line_place,
            case
                when regexp_count(line, ',') < 8 then 'line: expected 9 columns, found fewer'
                -- after a comma at the end there is nothing
                when regexp_count(line, ',') = 9 and line like '%,' then null
                when regexp_count(line, ',') > 8 then 'line: expected 9 columns, found more'
            end as reason
        from (
            select
                line,
                row_number() over (order by line_id) as line_place
            from ({{ landed_lines }}) as landed_lines
        ) as lines
        where line_place > 1
    {% endset %}
    {% call statement('type_lines', auto_begin=False) %}
        create or replace view {{ source('landing', 'event_lines') }} as
        select
            {% for column in event_file_columns() %}
                nullif(split_part(line, ',', {{ loop.index }}), '') as {{ column }},
            {% endfor %}
            line_place,
            {{ quoted(file.source_file) }} as source_file,
            timestamp '{{ read.loaded_at }}' as loaded_at
        from ({{ placed_lines }}) as placed_lines
        where reason is null;

        drop table if exists typed_lines;
        create temporary table typed_lines as
        select {{ columns }}, row_number as line_place, rejection_reason, line
        from ({{ sql }}) as typed;

        drop table if exists load_errors;
        create temporary table load_errors as
        select
            line_number,
            cast('line: ' || lower(trim(error_message)) as varchar(256)) as reason,
            line_number - row_number() over (order by line_number) as lines_before
        from sys_load_error_detail
        where query_id = pg_last_copy_id();

        insert into {{ ref('stg_rejected_event_lines') }}
            (source_file, line_number, reason, line, loaded_at)
        with

        rejected as (
            select line_place, rejection_reason as reason, line
            from typed_lines
            where rejection_reason is not null
            union all
            select line_place, reason, line
            from ({{ placed_lines }}) as placed_lines
            where reason is not null
        ),

        -- the place of a line among those that were landed, plus those before it that were not
        numbered as (
            select
                rejected.line_place + count(load_errors.lines_before) as line_number,
                rejected.reason,
                rejected.line
            from rejected
            left join load_errors on rejected.line_place > load_errors.lines_before
            group by rejected.line_place, rejected.reason, rejected.line
            union all
            select line_number, reason, cast(null as varchar(65535)) as line
            from load_errors
        )

        select
            {{ quoted(file.source_file) }} as source_file,
            line_number,
            reason,
            line,
            timestamp '{{ read.loaded_at }}' as loaded_at
        from numbered;
    {% endcall %}
    {% set query %}
        select
            count(*) as typed_count,
            min(event_at) as first_event_at,
            max(event_at) as last_event_at,
            (select count(*) from load_errors) as error_count,
            (
                select count(*) from {{ ref('stg_rejected_event_lines') }}
                where loaded_at = timestamp '{{ read.loaded_at }}'
            ) as rejected_count
        from typed_lines
        where rejection_reason is null
    {% endset %}
    {% set typed = run_query(query).rows[0] %}
    {% set read.lines = landed.line_count - 1 + typed.error_count %}
    {% set read.rejected = typed.rejected_count %}
    {% if typed.typed_count + read.rejected != read.lines %}
        {% set read.refusal = file.path ~ ': of ' ~ read.lines ~ ' lines, ' ~ typed.typed_count
            ~ ' were typed and ' ~ read.rejected ~ ' rejected: lines would be lost. '
            ~ 'Nothing of it was loaded.' %}
    {% elif typed.typed_count %}
        {% do insert_typed_lines(target_relation, typed.first_event_at, typed.last_event_at) %}
    {% endif %}
    {% call statement('end_lines', auto_begin=False) %}
        drop table typed_lines;
        drop table load_errors;
        delete from {{ landing }};
    {% endcall %}
{% endmacro %}


{# Adds the typed lines but exact duplicates, of each other and of earlier files. #}
{% macro insert_typed_lines(target_relation, first_event_at, last_event_at) %}
    {% set columns = model.columns.values() | map(attribute='name') | list %}
    {% set compared = columns | reject('in', ['source_file', 'loaded_at']) | join(', ') %}
    {% set columns = columns | join(', ') %}
    {% call statement('insert_typed_lines', auto_begin=False) %}
        drop table if exists duplicate_lines;
        create temporary table duplicate_lines as
        select line_place, event_type, price, event_at, is_across
        from (
            select
                line_place,
                event_type,
                price,
                event_at,
                row_number() over (
                    partition by {{ compared }} order by loaded_at, line_place
                ) as copy_number,
                min(loaded_at) over (partition by {{ compared }}) < loaded_at as is_across
            from (
                select {{ columns }}, line_place
                from typed_lines
                where rejection_reason is null
                union all
                select {{ columns }}, 0 as line_place
                from {{ target_relation }}
                where
                    event_at between '{{ first_event_at }}' and '{{ last_event_at }}'
                    and session_key in (select session_key from typed_lines)
            ) as events
        ) as compared
        where copy_number > 1 and line_place > 0;

        insert into {{ target_relation }} ({{ columns }})
        select {{ columns }}
        from typed_lines
        where
            rejection_reason is null
            and line_place not in (select line_place from duplicate_lines);

        {{ count_duplicates('duplicate_lines') }};

        drop table duplicate_lines;
    {% endcall %}
{% endmacro %}


{# The columns of an event file, in their order. #}
{% macro event_file_columns() %}
    {% set names = graph.sources['source.amazing_segments.landing.event_lines'].columns.keys() | list %}
    {{ return(names | reject('in', ['source_file', 'loaded_at']) | list) }}
{% endmacro %}


{# What is wrong with a file that begins so; nothing if it is the header. #}
{% macro header_fault(first_line) %}
    {% set header = event_file_columns() | join(',') %}
    {% set line = (first_line or '') | replace('\ufeff', '') | replace('\r', '') %}
    {% set expected = "; expected line 1 to be '" ~ header ~ "'" %}
    {% if line == header %}
        {{ return(none) }}
    {% elif not line %}
        {{ return('the file is empty' ~ expected) }}
    {% elif line.strip().lower().startswith(('<!doctype', '<html', '<?xml')) %}
        {{ return('it is a web page, not a table' ~ expected) }}
    {% elif line[:4].isdigit() and line.count(',') == 8 %}
        {{ return('line 1 is an event, the header is missing' ~ expected) }}
    {% endif %}
    {{ return("line 1 is '" ~ line[:120] ~ "'" ~ expected) }}
{% endmacro %}
