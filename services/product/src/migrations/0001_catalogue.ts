import type { Migration } from "@marketplace/postgres/Migrations"

/** The catalogue of the embedded profile; with MongoDB these tables stay empty. */
export const catalogue: Migration = {
  id: "0001_catalogue",
  sql: `
    create table product (
      id uuid primary key,
      enterprise_id uuid not null,
      seller text not null,
      name jsonb not null,
      description jsonb not null,
      status text not null,
      variants jsonb not null,
      variant_ids uuid[] not null,
      sequence int not null,
      version int not null default 1
    );
    create index product_on_sale on product (id desc) where status = 'ACTIVE';
    create index product_by_variant on product using gin (variant_ids);
  `
}
