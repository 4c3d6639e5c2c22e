import { layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import * as Script from "@marketplace/postgres/Script"
import * as TestDatabase from "@marketplace/testing/TestDatabase"
import { databaseSchemas } from "../src/Databases.ts"
import { check } from "../src/Verify/Check.ts"
import { invariants } from "../src/Verify/Invariants.ts"
import { postgres } from "../src/Verify/Sources.ts"

const N = 100_000
const seed = `
 create temp table o as select gen_random_uuid() id, gen_random_uuid() so, gen_random_uuid() p, gen_random_uuid() t, (n % 1000) + 1 v, n from generate_series(1, ${N}) n;
 create temp table v as select gen_random_uuid() variant, gen_random_uuid() product, gen_random_uuid() ent, n from generate_series(1, 1000) n;
 create temp table m as select gen_random_uuid() member;
 insert into user_service.member select member, 'a@b.c', 'x', 'ACTIVE', '', ${N}, 0 from m;
 insert into product_service.product (id, enterprise_id, seller, name, description, status, variants, variant_ids, sequence) select product, ent, 's', '{}', '{}', 'ACTIVE', jsonb_build_array(jsonb_build_object('id', variant, 'available', 0, 'sold', ${N/1000}, 'stockSequence', 0)), array[variant], 0 from v;
 insert into product_service.stock (variant_id, product_id, on_hand, committed, sequence) select variant, product, ${N/1000}, ${N/1000}, 0 from v;
 insert into product_service.stock_movement (variant_id, kind, quantity) select variant, 'SEED', ${N/1000} from v;
 insert into order_service.orders (id, member_id, status, currency, total, payment_deadline, sequence, version) select o.id, member, 'PLACED', 'KRW', 1000, now(), 3, 1 from o, m;
 insert into order_service.seller_order select so, id, 0, ent, 'PAID', 0, 1000, 100, 10, 890 from o join v on v.n = o.v;
 insert into order_service.order_line select gen_random_uuid(), id, 0, so, product, variant, '{}', 1000, 1, 1000 from o join v on v.n = o.v;
 insert into order_service.order_timeline (order_id, scope, from_status, to_status, cause, seller_order_id) select id, 'order', null, 'PLACING', 'place', null::uuid from o;
 insert into order_service.order_timeline (order_id, scope, from_status, to_status, cause, seller_order_id) select id, 'order', 'PLACING', 'AWAITING_PAYMENT', 'reserved', null::uuid from o;
 insert into order_service.order_timeline (order_id, scope, from_status, to_status, cause, seller_order_id) select id, 'order', 'AWAITING_PAYMENT', 'PLACED', 'pay', null::uuid from o;
 insert into order_service.order_timeline (order_id, scope, from_status, to_status, cause, seller_order_id) select id, 'sellerOrder', 'PENDING_PAYMENT', 'PAID', 'pay', so from o;
 insert into order_service.idempotency (caller, route, key, fingerprint, resource_id, status, body, holder, lease_until) select member::text, 'POST /v1/orders', id::text, '', id, 201, '', id, now() from o, m;
 insert into product_service.reservation_order (order_id, status) select id, 'COMMITTED' from o;
 insert into product_service.reservation (order_id, variant_id, committed) select id, variant, 1 from o join v on v.n = o.v;
 insert into product_service.stock_movement (order_id, variant_id, kind, quantity) select id, variant, k, 1 from o join v on v.n = o.v, unnest(array['HOLD','COMMIT']) k;
 insert into payment_service.order_payments (order_id, active_id, sequence, version) select id, p, 2, 1 from o;
 insert into payment_service.payment (id, order_id, member_id, amount, currency, method, provider, status) select p, id, member, 1000, 'KRW', 'CARD', 'simulator', 'PAID' from o, m;
 insert into payment_service.idempotency (caller, route, key, fingerprint, resource_id, status, body, holder, lease_until) select member::text, 'POST /v1/payments', id::text, '', p, 201, '', id, now() from o, m;
 insert into payment_service.ledger_transfer (id, kind, payment_id) select t, 'CAPTURE', p from o;
 insert into payment_service.ledger_entry select t, a, case a when 'ESCROW' then 1000 else -1000 end, 'KRW' from o, unnest(array['BUYER','ESCROW']) a;
 insert into simulator.payment select 'k' || p, p, 1000, 'KRW', 'CARD', now(), null from o;
 insert into simulator.entry (kind, transaction_key, payment_key, amount) select k, k || p, 'k' || p, 1000 from o, unnest(array['APPROVAL','CAPTURE']) k;
 insert into order_service.outbox (partition, event_id, type, stream_key, sequence, fingerprint, body, published_at) select 0, gen_random_uuid(), 'OrderStatusChanged', id::text, s, '', '', now() from o, generate_series(1, 3) s;
 insert into payment_service.outbox (partition, event_id, type, stream_key, sequence, fingerprint, body, published_at) select 0, gen_random_uuid(), case s when 1 then 'PaymentCreated' else 'PaymentCompleted' end, id::text, s, '', '', now() from o, generate_series(1, 2) s;
 insert into events.order_log (partition, position, event_id, type, stream_key, sequence, occurred_at, fingerprint, body) select 0, position, event_id, type, stream_key, sequence, occurred_at, '', '' from order_service.outbox;
 insert into events.payment_log (partition, position, event_id, type, stream_key, sequence, occurred_at, fingerprint, body) select 0, position, event_id, type, stream_key, sequence, occurred_at, '', '' from payment_service.outbox;
 insert into user_service.inbox select 'user', event_id from order_service.outbox;
 insert into product_service.inbox select 'product', event_id from order_service.outbox;
 insert into order_service.inbox select 'order', event_id from payment_service.outbox;
`
const L = Layer.unwrap(Effect.map(PostgresServer, ({ ownerUrl }) => Database.layer({ url: ownerUrl, service: "t" }))).pipe(Layer.provide(TestDatabase.layer(databaseSchemas)))
layer(L, { excludeTestServices: true, timeout: "200 seconds" })("scale", (it) => {
  it.effect("x", () => Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* Script.run(sql, seed)
    for (const mode of ["cold", "analyzed"]) {
      if (mode === "analyzed") yield* sql.unsafe("analyze")
      const t0 = Date.now()
      for (const i of invariants) {
        const t = Date.now()
        const r = yield* check([i], { since: "-infinity", settled: new Date(Date.now() + 600000).toISOString() }, postgres)
        const d = Date.now() - t
        if (d > 400 || r.findings[0]!.violations > 0) console.log(mode, i.name, d, r.findings[0]!.violations, JSON.stringify(r.findings[0]!.rows[0]))
      }
      console.log(mode, "total", Date.now() - t0)
    }
  }), 300_000)
})
