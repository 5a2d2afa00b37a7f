-- One row per session, user and product whose events were withdrawn. The table is declared here
-- and written by the materialization of stg_events, in the transaction that withdraws them.
select
    cast(null as bigint) as session_key,
    cast(null as bigint) as user_key,
    cast(null as bigint) as product_id,
    cast(null as timestamp) as withdrawn_at
where false
