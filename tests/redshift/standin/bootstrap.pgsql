-- What Redshift has and PostgreSQL has not, made where Redshift has it: in pg_catalog.
-- Run once, as superuser, in the database that stands in for Redshift's.
set allow_system_table_mods = on;
set search_path = pg_catalog;

-- types ---------------------------------------------------------------------------
create domain super as jsonb;

-- date and time -------------------------------------------------------------------
create function getdate() returns timestamp language sql stable as
  $$ select date_trunc('second', statement_timestamp() at time zone 'UTC') $$;
create function sysdate() returns timestamp language sql stable as
  $$ select transaction_timestamp() at time zone 'UTC' $$;
create function convert_timezone(text, text, timestamp) returns timestamp language sql immutable as
  $$ select ($3 at time zone $1) at time zone $2 $$;
create function convert_timezone(text, timestamp) returns timestamp language sql immutable as
  $$ select ($2 at time zone 'UTC') at time zone $1 $$;
create function trunc(timestamp) returns date language sql immutable as $$ select $1::date $$;

-- counts the boundaries between two moments, as Redshift does
create function datediff(part text, a timestamp, b timestamp) returns bigint
  language plpgsql immutable strict as $$
declare
  unit text := case lower(rtrim(part, 's'))
    when 'y' then 'year' when 'yr' then 'year' when 'qtr' then 'quarter' when 'mon' then 'month'
    when 'w' then 'week' when 'd' then 'day' when 'h' then 'hour' when 'hr' then 'hour'
    when 'm' then 'minute' when 'min' then 'minute' when 'sec' then 'second' when '' then 'second'
    else lower(rtrim(part, 's')) end;
  x timestamp := date_trunc(unit, a);
  y timestamp := date_trunc(unit, b);
  months bigint := (extract(year from y) - extract(year from x)) * 12
                 + extract(month from y) - extract(month from x);
begin
  return case unit
    when 'year' then months / 12 when 'quarter' then months / 3 when 'month' then months
    when 'week' then extract(epoch from y - x) / 604800
    when 'day' then extract(epoch from y - x) / 86400
    when 'hour' then extract(epoch from y - x) / 3600
    when 'minute' then extract(epoch from y - x) / 60
    when 'second' then extract(epoch from y - x)
    when 'millisecond' then extract(epoch from y - x) * 1000
    when 'microsecond' then extract(epoch from y - x) * 1000000 end;
end $$;
create function datediff(part text, a timestamptz, b timestamptz) returns bigint
  language sql stable as $$ select datediff($1, $2 at time zone 'UTC', $3 at time zone 'UTC') $$;

-- the last day of a month plus months is the last day of a month, as on Redshift
create function dateadd(part text, n bigint, a timestamp) returns timestamp
  language plpgsql immutable strict as $$
declare
  unit text := lower(rtrim(part, 's'));
  months bigint := case unit when 'year' then 12 * n when 'quarter' then 3 * n
                             when 'month' then n end;
  moved timestamp;
begin
  if months is null then
    return a + n * ('1 ' || unit)::interval;
  end if;
  moved := a + months * interval '1 month';
  if (a + interval '1 day')::date = date_trunc('month', a + interval '1 day')::date then
    moved := date_trunc('month', moved) + interval '1 month - 1 day' + a::time;
  end if;
  return moved;
end $$;
create function add_months(timestamp, bigint) returns timestamp language sql immutable as
  $$ select dateadd('month', $2, $1) $$;
create function last_day(timestamp) returns date language sql immutable as
  $$ select (date_trunc('month', $1) + interval '1 month - 1 day')::date $$;

-- text ----------------------------------------------------------------------------
create function len(text) returns integer language sql immutable as $$ select length($1) $$;
create function charindex(text, text) returns integer language sql immutable as
  $$ select strpos($2, $1) $$;
create function sha2(text, integer) returns varchar language sql immutable as $$
  select encode(case $2 when 0 then sha256($1::bytea) when 224 then sha224($1::bytea)
    when 256 then sha256($1::bytea) when 384 then sha384($1::bytea)
    when 512 then sha512($1::bytea) end, 'hex') $$;
create function concat(text, text) returns varchar language sql immutable as
  $$ select $1 || $2 $$;  -- null if either is null
create function strtol(text, integer) returns bigint language plpgsql immutable strict as $$
declare total bigint := 0; digit text;
begin
  foreach digit in array regexp_split_to_array(lower($1), '') loop
    total := total * $2 + strpos('0123456789abcdefghijklmnopqrstuvwxyz', digit) - 1;
  end loop;
  return total;
end $$;

-- JSON as text --------------------------------------------------------------------
create function is_valid_json(text) returns boolean language plpgsql immutable as $$
begin perform $1::json; return true; exception when others then return false; end $$;
create function json_extract_path_text(text, variadic text[]) returns varchar
  language sql immutable as $$ select $1::json #>> $2 $$;
create function json_extract_array_element_text(text, integer) returns varchar
  language sql immutable as $$ select $1::json ->> $2 $$;
create function json_parse(text) returns super language sql immutable as $$ select $1::jsonb $$;
create function json_serialize(super) returns varchar language sql immutable as
  $$ select $1::text $$;

-- nulls ---------------------------------------------------------------------------
create function nvl(anycompatible, anycompatible) returns anycompatible language sql immutable as
  $$ select coalesce($1, $2) $$;
create function nvl(anycompatible, anycompatible, anycompatible) returns anycompatible
  language sql immutable as $$ select coalesce($1, $2, $3) $$;
create function nvl2(anyelement, anycompatible, anycompatible) returns anycompatible
  language sql immutable as $$ select case when $1 is null then $3 else $2 end $$;

-- aggregates ----------------------------------------------------------------------
create function standin_median(float8[]) returns float8 language sql immutable as
  $$ select percentile_cont(0.5) within group (order by v) from unnest($1) v $$;
create aggregate median(float8) (sfunc = array_append, stype = float8[],
  finalfunc = standin_median);

-- catalog -------------------------------------------------------------------------
create function pg_get_late_binding_view_cols() returns setof record language sql stable as
  $$ select null::name, null::name, null::name, null::varchar, null::int where false $$;
create view svv_external_columns as select null::text as schemaname, null::text as tablename,
  null::text as columnname, null::text as external_type, null::int as columnnum where false;
create view svv_mv_info as select null::text as database_name, null::text as schema_name,
  null::text as user_name, null::text as name, null::text as autorefresh where false;
create view svv_table_info as
  select current_database()::text as database, n.nspname::text as "schema", c.oid as table_id,
    c.relname::text as "table", 'N'::text as encoded, 'AUTO(ALL)'::text as diststyle,
    null::text as sortkey1, 0::int as max_varchar, null::text as sortkey1_enc,
    0::int as sortkey_num, pg_relation_size(c.oid) / 1048576 as size,
    0.0::numeric(10,4) as pct_used, 0::numeric(5,2) as unsorted, 0.0::numeric(5,2) as stats_off,
    greatest(c.reltuples, 0)::numeric(38,0) as tbl_rows, null::numeric as skew_sortkey1,
    null::numeric as skew_rows
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and c.reltuples > 0;
create view sys_query_detail as select null::oid as table_id, null::text as step_name,
  null::timestamp as start_time where false;
grant select on svv_external_columns, svv_mv_info, svv_table_info, sys_query_detail to public;

-- loads: a row of each COPY, and one of each of its errors -------------------------
create table standin_loads (query_id bigint, file_name text, line_number bigint,
  error_message text);
create view sys_load_error_detail as select * from standin_loads where line_number is not null;
create function pg_last_copy_id() returns bigint language sql volatile as
  $$ select coalesce(max(query_id), -1) from standin_loads $$;
grant select on standin_loads, sys_load_error_detail to public;
