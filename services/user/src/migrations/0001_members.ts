import type { Migration } from "@marketplace/postgres/Migrations"

export const members: Migration = {
  id: "0001_members",
  sql: `
    create table member (
      id uuid primary key,
      email text not null unique,
      name text not null,
      status text not null,
      -- PHC string
      password_hash text not null,
      purchases int not null default 0,
      sequence int not null,
      version int not null default 1
    );

    create table session (
      id uuid primary key,
      member_id uuid not null references member,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      revoked_at timestamptz
    );
    create index session_by_member on session (member_id);
    create index session_revoked on session (revoked_at) where revoked_at is not null;
  `
}
