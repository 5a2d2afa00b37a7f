-- Protects the sums of migrations: the rows of a month that lead to a persona are all users who had
-- it at the end of the month, and the rows of the next month that lead from it are all of them.
with

migrations as (
    select * from {{ ref('segment_migrations') }}
),

newest as (
    select
        max(history.month_on) as month_on,
        max(history.as_of) as as_of
    from {{ ref('user_segment_history') }} as history
),

arrived as (
    select
        migrations.month_on,
        migrations.persona,
        sum(migrations.user_count) as user_count
    from migrations
    where migrations.persona != 'unsegmented'
    group by migrations.month_on, migrations.persona
),

departed as (
    select
        migrations.month_on,
        migrations.previous_month_on,
        migrations.previous_persona,
        sum(migrations.user_count) as user_count
    from migrations
    where migrations.previous_persona not in ('unsegmented', 'unknown')
    group by migrations.month_on, migrations.previous_month_on, migrations.previous_persona
),

compared_months as (
    select distinct
        migrations.month_on,
        migrations.previous_month_on
    from migrations
    where migrations.previous_month_on is not null
),

-- not of a build that looks back: the newest month is not what it sees
segmented as (
    select
        user_segments.persona,
        count(*) as user_count
    from {{ ref('user_segments') }} as user_segments
    cross join newest
    where user_segments.persona is not null and user_segments.as_of = newest.as_of
    group by user_segments.persona
),

differences as (
    select
        newest.month_on,
        segmented.persona,
        segmented.user_count as expected_user_count,
        arrived.user_count
    from segmented
    cross join newest
    left join arrived
        on segmented.persona = arrived.persona and newest.month_on = arrived.month_on
    where coalesce(arrived.user_count, 0) != segmented.user_count
    union all
    select
        compared_months.month_on,
        arrived.persona,
        arrived.user_count as expected_user_count,
        departed.user_count
    from compared_months
    inner join arrived on compared_months.previous_month_on = arrived.month_on
    left join departed
        on
            compared_months.month_on = departed.month_on
            and arrived.persona = departed.previous_persona
    where coalesce(departed.user_count, 0) != arrived.user_count
)

select * from differences
