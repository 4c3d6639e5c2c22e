import type { Migration } from "@marketplace/postgres/Migrations"

export const payments: Migration = {
  id: "0001_payments",
  sql: `
    create table order_payments (
      order_id uuid primary key,
      sealed boolean not null default false,
      active_id uuid,
      sequence int not null,
      -- how often it changed; a write goes through only from the version it read
      version int not null
    );

    create table payment (
      id uuid primary key,
      order_id uuid not null references order_payments,
      member_id uuid not null,
      amount bigint not null check (amount > 0),
      currency text not null,
      method text not null,
      provider text not null,
      status text not null,
      provider_payment_key text,
      failure text,
      created_at timestamptz not null default now(),
      changed_at timestamptz not null default now(),
      -- when the resolver looks at it next; null when there is nothing to find out
      due_at timestamptz,
      looks int not null default 0
    );
    create index payment_by_order on payment (order_id);
    create index payment_due on payment (due_at) where due_at is not null;

    create table refund (
      id uuid primary key,
      payment_id uuid not null references payment,
      order_id uuid not null references order_payments,
      amount bigint not null check (amount > 0),
      currency text not null,
      reason text not null,
      status text not null,
      created_at timestamptz not null default now(),
      changed_at timestamptz not null default now(),
      due_at timestamptz,
      looks int not null default 0
    );
    create index refund_by_order on refund (order_id);
    create index refund_due on refund (due_at) where due_at is not null;

    create table ledger_transfer (
      id uuid primary key,
      kind text not null,
      payment_id uuid not null references payment,
      refund_id uuid references refund,
      booked_at timestamptz not null default now(),
      unique nulls not distinct (kind, payment_id, refund_id)
    );
    create table ledger_entry (
      transfer_id uuid not null references ledger_transfer,
      account text not null,
      amount bigint not null,
      currency text not null,
      primary key (transfer_id, account)
    );
  `
}
