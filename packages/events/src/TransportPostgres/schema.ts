import type { Migration } from "@marketplace/postgres/Migrations"
import type { DatabaseSchema } from "@marketplace/postgres/Schemas"
import { consumed, type EventContext, published } from "@marketplace/schema/Topology"
import { Struct } from "effect"

/** Over which a context's streams are spread, to be consumed side by side. Never changes: the log has written it down. */
export const partitions = 4

/** Those of the first migration, whose text may not change. */
const contexts = ["user", "product", "order", "payment"] as const

const log = (context: EventContext) => `
    create table ${context}_schema (
      fingerprint text primary key,
      avro text not null
    );
    create table ${context}_head (
      position bigint not null
    ) with (fillfactor = 50);
    insert into ${context}_head values (0);
    create table ${context}_log (
      partition smallint not null,
      position bigint not null,
      event_id uuid not null unique,
      type text not null,
      stream_key text not null,
      sequence int not null,
      occurred_at timestamptz not null,
      traceparent text,
      cause_id uuid,
      fingerprint text not null,
      body bytea not null,
      appended_at timestamptz not null default now(),
      primary key (partition, position)
    );
    create table ${context}_offset (
      context text not null,
      partition smallint not null,
      position bigint not null default 0,
      owner uuid,
      epoch bigint not null default 0,
      until timestamptz not null default '-infinity',
      primary key (context, partition)
    ) with (fillfactor = 50);`

/** Deletes what every declared consumer has consumed; its caller has no right to delete anything else. */
const prune = (context: EventContext) => `
    create function prune_${context}(older interval) returns bigint
    language sql security definer set search_path = pg_catalog, pg_temp
    begin atomic
      with consumed as (
        select partition, min(position) as position from (
          ${contexts.map((consumer) => `select context, partition, position from ${consumer}_offset`).join(" union all ")}
        ) as offsets where context = '${context}' group by partition),
      gone as (
        delete from ${context}_log l
        where appended_at < now() - older
          and position <= coalesce((select c.position from consumed c where c.partition = l.partition), position)
        returning 1)
      select count(*) from gone;
    end;
    revoke all on function prune_${context}(interval) from public;`

const logs: Migration = { id: "0001_logs", sql: [...contexts.map(log), ...contexts.map(prune)].join("\n") }

/** Whose events the service acts on, by the topology. */
const consumedContexts = (service: EventContext): ReadonlyArray<EventContext> => {
  const names: ReadonlySet<string> = new Set(consumed[service])
  return Struct.keys(published).filter((context) => Struct.keys(published[context]).some((name) => names.has(name)))
}

/**
 * What the topology allows: a service appends to its own log, reads those it consumes, and moves its own offsets. The
 * offsets of its contexts start at the first event.
 */
const grantsOf = (service: EventContext): ReadonlyArray<string> => {
  const role = `to ${service}_service`
  const read = consumedContexts(service)
  return [
    `grant usage on schema events ${role}`,
    `grant insert, select on events.${service}_schema ${role}`,
    `grant insert, select (event_id) on events.${service}_log ${role}`,
    `grant select, update on events.${service}_head ${role}`,
    `grant execute on function events.prune_${service}(interval) ${role}`,
    ...read.map((context) => `grant select on events.${context}_log, events.${context}_schema ${role}`),
    ...(read.length === 0 ? [] : [`grant select, update on events.${service}_offset ${role}`]),
    `delete from events.${service}_offset where not context = any ('{${read.join(",")}}')`,
    ...read.map((context) =>
      `insert into events.${service}_offset (context, partition) select '${context}', generate_series(0, ${partitions - 1})
        on conflict do nothing`)
  ]
}

/**
 * The logs of all contexts, in the schema `events`. It has no role of its own; the roles `<context>_service` get what the
 * topology says.
 */
export const eventsSchema: DatabaseSchema = {
  name: "events",
  login: false,
  migrations: [logs],
  grants: contexts.flatMap(grantsOf)
}
