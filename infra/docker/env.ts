/**
 * Makes the secrets of `docker-compose.yml` and writes them to `.env`: `node marketplace.mjs node infra/docker/env.ts`.
 * Run again, it keeps what is there and adds what is missing. Each is marked as made for development, so that no image
 * takes it in production (`guard.mjs`). Needs nothing but Node; what each one is for is said in `.env.example`.
 */
import { createHmac, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseEnv } from "node:util"

/** Roles of PostgreSQL by the name of their password. */
const roles = {
  USER_DATABASE_PASSWORD: "user_service",
  PRODUCT_DATABASE_PASSWORD: "product_service",
  ORDER_DATABASE_PASSWORD: "order_service",
  PAYMENT_DATABASE_PASSWORD: "payment_service",
  SIMULATOR_DATABASE_PASSWORD: "simulator"
}

const services = ["user", "product", "order", "payment", "gateway"]

const mark = "development-only"

const secret = () => `${mark}-${randomBytes(24).toString("base64url")}`

/** Ed25519 in PKCS#8 PEM. Readers of PEM skip what stands before it. */
const pem = (key: KeyObject) => `${mark}\n${key.export({ type: "pkcs8", format: "pem" })}`.trimEnd()

const serviceKeys = () => {
  const pairs = services.map((name) => ({ name, ...generateKeyPairSync("ed25519") }))
  const keys = pairs.map(({ name, publicKey }) => ({ ...publicKey.export({ format: "jwk" }), kid: name, alg: "EdDSA", use: "sig" }))
  return {
    ...Object.fromEntries(pairs.map(({ name, privateKey }) => [`${name.toUpperCase()}_SERVICE_PRIVATE_KEY`, pem(privateKey)])),
    SERVICE_JWKS: JSON.stringify({ keys })
  }
}

/** The values of `.env`, those of `known` kept. */
export const complete = (known: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> => {
  const fresh: Record<string, string> = {
    POSTGRES_PASSWORD: secret(),
    DATABASE_ROLE_SECRET: secret(),
    REGISTRY_DATABASE_PASSWORD: secret(),
    MONGO_PASSWORD: secret(),
    REDIS_PASSWORD: secret(),
    TOKEN_PRIVATE_KEY: pem(generateKeyPairSync("ed25519").privateKey),
    CURSOR_KEY: secret(),
    PAYMENT_SIMULATOR_SECRET: secret(),
    GRAFANA_PASSWORD: secret()
  }
  const kept = Object.fromEntries(Object.entries(known).flatMap(([name, value]) => value ? [[name, value]] : []))
  // All or none: a key and its public half belong together.
  const values: Record<string, string> = { ...fresh, ...kept, ...(kept["SERVICE_JWKS"] === undefined ? serviceKeys() : {}) }
  for (const [name, role] of Object.entries(roles)) {
    // As packages/postgres/src/RolePasswords.ts derives it.
    values[name] = createHmac("sha256", values["DATABASE_ROLE_SECRET"] ?? "").update(role).digest("hex")
  }
  return values
}

/** A line of `.env`. */
const line = (name: string, value: string) =>
  value.includes("\n") ? `${name}="${value.replaceAll("\n", "\\n")}"` : value.includes("\"") ? `${name}='${value}'` : `${name}=${value}`

/** The text of `.env`, as Docker Compose and Node read it. */
export const write = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values).map(([name, value]) => `${line(name, value)}\n`).join("")

if (import.meta.main) {
  const file = join(import.meta.dirname, "..", "..", ".env")
  const known = existsSync(file) ? parseEnv(readFileSync(file, "utf8")) : {}
  const values = complete(known)
  const added = Object.keys(values).filter((name) => !known[name])
  writeFileSync(file, write(values), { mode: 0o600 })
  console.log(added.length === 0 ? ".env has everything" : `.env: made ${added.join(", ")}`)
}
