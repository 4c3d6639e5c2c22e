import type { Migration } from "@marketplace/postgres/Migrations"

export const journal: Migration = {
  id: "0001_journal",
  sql: `
    create table payment (
      payment_key text primary key,
      -- the merchant's name of the payment
      order_id uuid not null unique,
      amount bigint not null check (amount > 0),
      currency text not null,
      method text not null,
      -- after this it cannot be confirmed any more
      expires_at timestamptz not null,
      -- the code of the bank's refusal
      refusal text
    );

    create table entry (
      position bigint generated always as identity primary key,
      kind text not null check (kind in ('APPROVAL', 'CAPTURE', 'REFUND')),
      transaction_key text not null unique,
      payment_key text not null references payment,
      amount bigint not null check (amount > 0),
      reason text,
      idempotency_key text,
      at timestamptz not null default now(),
      unique (kind, idempotency_key)
    );
    create index entry_by_payment on entry (payment_key, position);
    create unique index one_approval on entry (payment_key) where kind = 'APPROVAL';
    create unique index one_capture on entry (payment_key) where kind = 'CAPTURE';

    create table fault (
      order_id uuid not null,
      ordinal int not null,
      fault text not null,
      times int not null,
      delay_millis int not null,
      applied int not null default 0,
      primary key (order_id, ordinal)
    );
  `
}
