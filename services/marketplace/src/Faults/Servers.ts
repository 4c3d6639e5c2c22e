import { join } from "node:path"
import * as Local from "../../../../infra/local/Servers.ts"
import type { Profile } from "./Schedule.ts"

/** The servers beside PostgreSQL, in our own hands: whoever uses them finds them by their URLs. */
export interface Servers {
  readonly environment: Readonly<Record<string, string>>
  readonly of: (name: Local.Name) => Local.Server | undefined
  readonly stop: () => Promise<void>
}

const none: Servers = { environment: {}, of: () => undefined, stop: () => Promise.resolve() }

/** Kafka, Schema Registry, MongoDB and Redis for the full profile; nothing for the embedded one. */
export const start = async (profile: Profile, directory: string): Promise<Servers> => {
  if (profile === "embedded") return none
  const started = await Local.start(Local.names, {
    directory: join(directory, "full", "servers"),
    say: (line) => void process.stderr.write(`[faults] ${line}\n`)
  })
  return { environment: started.env, of: (name) => started.servers[name], stop: started.stop }
}
