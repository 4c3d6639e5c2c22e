import { defineConfig } from "vitest/config"

/** Full profile: the same contract suites on Kafka, Schema Registry, MongoDB and Redis, and the services as processes. */
export default defineConfig({
  test: {
    include: ["{domain,packages,services,infra}/**/test/**/*.full.test.ts"],
    exclude: ["**/node_modules/**"],
    globalSetup: ["packages/testing/src/setup/postgres.ts", "packages/testing/src/setup/servers.ts"],
    testTimeout: 60_000,
    hookTimeout: 240_000,
    maxWorkers: 2,
    fileParallelism: false
  }
})
