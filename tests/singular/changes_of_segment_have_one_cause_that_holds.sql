-- Protects what is said of why users migrate: who has another identity than the month before has
-- one cause, whose condition holds between the two rows; who has the same has none. So under one
-- model and one min_events nobody migrates who did not come, unless time passed or data were
-- corrected.
with

history as (
    select * from {{ ref('user_segment_history') }}
    where {{ sampled('user_key') }}
),

months as (
    select
        history.month_on,
        max(history.model_version) as model_version,
        max(history.min_events) as min_events,
        max(history.as_of) as as_of
    from history
    group by history.month_on
),

compared as (
    select
        history.user_key,
        history.month_on,
        history.cause,
        history.previous_identity,
        history.identity,
        history.last_event_at <= previous_months.as_of as is_unseen_since,
        coalesce(previous.identity, '') = coalesce(history.previous_identity, '') as is_continuous,
        coalesce(history.identity, '') = coalesce(history.previous_identity, '') as is_same,
        coalesce(history.model_version, months.model_version) = previous_months.model_version
        and history.min_events = previous_months.min_events as is_of_one_model,
        history.event_count = previous.event_count
        and history.revenue_amount = previous.revenue_amount as is_of_same_sums
    from history
    inner join months on history.month_on = months.month_on
    left join months as previous_months
        on history.previous_month_on = previous_months.month_on
    left join history as previous
        on
            history.user_key = previous.user_key
            and history.previous_month_on = previous.month_on
),

wrong_rows as (
    select compared.* from compared
    where
        coalesce(compared.cause, '') != 'start'
        and (
            not compared.is_continuous
            or compared.is_same != (compared.cause is null)
            or (compared.cause = 'model' and compared.is_of_one_model)
            or (compared.cause = 'behaviour' and compared.is_unseen_since)
            or (
                compared.cause = 'clock'
                and not (compared.is_unseen_since and compared.is_of_same_sums)
            )
        )
)

select * from wrong_rows
