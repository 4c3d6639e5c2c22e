import type { Migration } from "@marketplace/postgres/Migrations"

export const stock: Migration = {
  id: "0002_stock",
  sql: `
    create table stock (
      variant_id uuid primary key,
      product_id uuid not null,
      on_hand int not null check (on_hand >= 0),
      held int not null default 0 check (held >= 0),
      committed int not null default 0 check (committed >= 0),
      consumed int not null default 0 check (consumed >= 0),
      sequence int not null default 0,
      check (held + committed <= on_hand)
    );

    -- one per order, made by its reservation or its release: after RELEASED nothing is ever held for it again
    create table reservation_order (
      order_id uuid primary key,
      status text not null,
      -- when the order is asked whether it still wants what is held
      due_at timestamptz
    );
    create index reservation_order_due on reservation_order (due_at) where due_at is not null;

    create table reservation (
      order_id uuid not null references reservation_order,
      variant_id uuid not null references stock,
      held int not null default 0 check (held >= 0),
      committed int not null default 0 check (committed >= 0),
      consumed int not null default 0 check (consumed >= 0),
      released int not null default 0 check (released >= 0),
      restocked int not null default 0 check (restocked >= 0),
      primary key (order_id, variant_id)
    );
    create index reservation_by_variant on reservation (variant_id);

    create table stock_movement (
      variant_id uuid not null references stock,
      order_id uuid,
      kind text not null,
      quantity int not null check (quantity > 0),
      at timestamptz not null default now(),
      unique (order_id, variant_id, kind)
    );
  `
}
