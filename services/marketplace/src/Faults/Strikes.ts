import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { FaultProxy } from "@marketplace/testing/FaultProxy"
import { createConnection } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { basic } from "./Buyers.ts"
import * as Http from "./Http.ts"
import { type Marketplace, stateOf, until } from "./Marketplace.ts"
import * as Owner from "./Owner.ts"
import type { Fault } from "./Schedule.ts"

/** Whether a fault hit, and what shows it. */
export interface Strike {
  readonly hit: boolean
  readonly proof: string
}

const strike = (hit: boolean, proof: string): Strike => ({ hit, proof })

/** What happens only in passing may take a while to come by. */
const patience = 20_000

const crash = async ({ orders }: Marketplace, { pass, point }: Extract<Fault, { readonly kind: "crash" }>) => {
  const id = orders.arm(point, pass)
  const hit = await until(patience, () => orders.struck(id))
  orders.disarm()
  return strike(hit, hit ? `died at pass ${pass}` : `nobody passed ${point} ${pass} times within ${patience / 1000} s`)
}

const kill = async (pid: number | undefined) => {
  if (pid === undefined) return strike(false, "it does not run")
  process.kill(pid, "SIGKILL")
  const gone = await until(5000, () => ["Z", undefined].includes(stateOf(pid)))
  return strike(gone, `process ${pid} ${gone ? "is dead" : "lives"}`)
}

const freeze = async (pid: number | undefined, millis: number) => {
  if (pid === undefined) return strike(false, "it does not run")
  process.kill(pid, "SIGSTOP")
  const stopped = await until(5000, () => stateOf(pid) === "T")
  await sleep(millis)
  process.kill(pid, "SIGCONT")
  return strike(stopped, `process ${pid} ${stopped ? "stood still" : "went on"}`)
}

const terminate = (directory: string) =>
  SqlClient.SqlClient.use((sql) =>
    sql<{ readonly ended: number }>`
      select count(*) filter (where pg_terminate_backend(pid))::int as ended from pg_stat_activity
      where usename in ('user_service', 'product_service', 'order_service', 'payment_service', 'simulator')`
  ).pipe(
    Effect.map(([row]) => row?.ended ?? 0),
    Effect.provide(Owner.layer(directory)),
    Effect.runPromise
  )

const throughProxy = async (proxy: FaultProxy, { fault, millis }: Extract<Fault, { readonly kind: "database-proxy" }> | Extract<Fault, { readonly kind: "provider-proxy" }>) => {
  await proxy.set(fault)
  await sleep(millis)
  // A connection that nobody accepts leaves no trace in the proxy: then it is tried.
  const refused = fault.kind === "refuse" && await refuses(proxy.port)
  const hits = proxy.hits()
  await proxy.set(undefined)
  return strike(hits > 0 || refused, refused ? "connections were refused" : `${hits} times`)
}

const refuses = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port })
    socket.once("connect", () => {
      socket.destroy()
      resolve(false)
    })
    socket.once("error", () => resolve(true))
  })

const switchProvider = (marketplace: Marketplace, down: boolean) =>
  Http.send(marketplace.provider(), {
    method: "PUT",
    path: "/script",
    body: { down },
    headers: { authorization: basic(marketplace.providerSecret()) }
  })

const providerDown = async (marketplace: Marketplace, millis: number) => {
  await switchProvider(marketplace, true)
  await sleep(millis)
  const now = await Http.send(marketplace.provider(), {
    method: "GET",
    path: "/script",
    headers: { authorization: basic(marketplace.providerSecret()) }
  })
  await switchProvider(marketplace, false)
  const applied = now.kind === "answer" ? Number(Http.field(now.body, "applied")) : 0
  return strike(applied > 0, `${applied} calls were answered 503`)
}

const clock = async ({ orders }: Marketplace, { millis, offset }: Extract<Fault, { readonly kind: "clock" }>) => {
  orders.setClock(offset)
  const seen = await until(millis + 2000, () => orders.clockSeen(offset))
  await sleep(millis)
  orders.setClock(0)
  return strike(seen, seen ? "a process looked at its clock" : "nobody looked at a clock")
}

const server = async ({ pidOf, servers }: Marketplace, fault: Extract<Fault, { readonly server: string }>) => {
  const target = servers.of(fault.server)
  if (target === undefined) return strike(false, "there is no such server")
  if (fault.kind === "server-freeze") {
    await target.sigstop()
    const pid = target.pid()
    const stopped = pid === undefined || await until(5000, () => stateOf(pid) === "T")
    await sleep(fault.millis)
    await target.sigcont()
    return strike(stopped, stopped ? "it stood still" : "it went on")
  }
  await target.kill9()
  const gone = target.pid() === undefined
  const killed = fault.kind === "server-absent" ? await kill(pidOf(fault.process)) : strike(true, "")
  await sleep(fault.millis)
  await target.restart()
  return strike(gone && killed.hit, gone ? "it was gone" : "it lives")
}

/** Empties Redis through its own protocol. */
const flush = ({ servers }: Marketplace) =>
  new Promise<Strike>((resolve) => {
    const url = servers.of("redis")?.url
    if (url === undefined) return resolve(strike(false, "there is no Redis"))
    const socket = createConnection({ host: "127.0.0.1", port: Number(new URL(url).port || 6379) })
    socket.once("error", (error) => resolve(strike(false, error.message)))
    socket.once("data", (answer) => {
      socket.destroy()
      resolve(strike(String(answer).startsWith("+OK"), String(answer).trim()))
    })
    socket.write("FLUSHALL\r\n")
  })

/** Lets a fault strike and, where it lasts, takes it away again. What has died is started again by whoever started it. */
export const carryOut = async (marketplace: Marketplace, fault: Fault): Promise<Strike> => {
  switch (fault.kind) {
    case "crash":
      return crash(marketplace, fault)
    case "kill":
      return kill(marketplace.pidOf(fault.process))
    case "freeze":
      return freeze(marketplace.pidOf(fault.process), fault.millis)
    case "postgres-kill":
      return kill(marketplace.pidOf("postgres"))
    case "postgres-terminate": {
      const ended = await terminate(marketplace.directory)
      return strike(ended > 0, `${ended} sessions ended`)
    }
    case "database-proxy":
      return throughProxy(marketplace.databaseProxy, fault)
    case "provider-proxy":
      return throughProxy(marketplace.providerProxy, fault)
    case "provider-down":
      return providerDown(marketplace, fault.millis)
    case "clock":
      return clock(marketplace, fault)
    case "server-kill":
    case "server-freeze":
    case "server-absent":
      return server(marketplace, fault)
    case "redis-flush":
      return flush(marketplace)
  }
}
