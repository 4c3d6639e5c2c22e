import type { Migration } from "@marketplace/postgres/Migrations"

export const orders: Migration = {
  id: "0001_orders",
  sql: `
    create table orders (
      id uuid primary key,
      member_id uuid not null,
      status text not null,
      currency text not null,
      total bigint not null check (total >= 0),
      rejection text,
      created_at timestamptz not null default now(),
      payment_deadline timestamptz not null,
      -- when a sweeper looks at it next; null once nothing is waited for
      due_at timestamptz,
      sequence int not null default 0,
      version int not null default 1
    );
    create index orders_by_member on orders (member_id, id desc);
    create index orders_due on orders (due_at) where due_at is not null;

    create table seller_order (
      id uuid primary key,
      order_id uuid not null references orders,
      position int not null,
      enterprise_id uuid not null,
      status text not null,
      shipping_fee bigint not null,
      total bigint not null,
      commission bigint not null,
      commission_vat bigint not null,
      seller_share bigint not null,
      unique (order_id, enterprise_id),
      check (seller_share + commission + commission_vat = total)
    );

    create table order_line (
      id uuid primary key,
      order_id uuid not null references orders,
      position int not null,
      seller_order_id uuid not null references seller_order,
      product_id uuid not null,
      variant_id uuid not null,
      name jsonb not null,
      unit_price bigint not null,
      quantity int not null check (quantity > 0),
      total bigint not null check (total = unit_price * quantity),
      unique (order_id, variant_id)
    );

    create table order_timeline (
      order_id uuid not null references orders,
      position int generated always as identity,
      at timestamptz not null default now(),
      scope text not null,
      seller_order_id uuid,
      from_status text,
      to_status text not null,
      cause text not null,
      primary key (order_id, position)
    );
  `
}
