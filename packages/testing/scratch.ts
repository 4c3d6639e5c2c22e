import { Redis } from "ioredis"
import * as Servers from "../../infra/local/Servers.ts"
const { servers } = await Servers.start(["redis"], { directory: "/tmp/redis-scratch", say: () => {} })
let lost = 0
for (let round = 0; round < 25; round++) {
  const c = new Redis(servers.redis.url); await c.ping(); await new Promise((r) => setTimeout(r, 1500))
  for (let i = 0; i < 20; i++) await c.rpush(`r${round}`, `${i}`); c.disconnect()
  await servers.redis.kill9(); await servers.redis.restart()
  const d = new Redis(servers.redis.url); const n = await d.llen(`r${round}`); d.disconnect(); if (n !== 20) { lost++ }
}
console.log("rounds with loss", lost, "of 25")
for (const server of Servers.known(["redis"], "/tmp/redis-scratch")) await server.reset()
