import { Console, Effect } from "effect"
import type { Running } from "./Running.ts"
import { demoPassword, members } from "./Seed/Data.ts"

/** What a newcomer can do now. */
export const say = ({ gatewayUrl, simulatorUrl }: Running) =>
  Effect.gen(function*() {
    yield* Console.log(`
  The marketplace is open.

    API            ${gatewayUrl}/v1/products
    documentation  ${gatewayUrl}/docs
    health         ${gatewayUrl}/health/ready
    payments       ${simulatorUrl} (a simulated provider; no real money moves)

    log in as      ${members.map(({ email }) => email).join(", ")}
    password       ${demoPassword}

    npm run demo   one purchase, step by step, in another terminal
    Ctrl-C         ends it; the data stays
`)
  })
