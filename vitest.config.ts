import { defineConfig } from "vitest/config"

/** Embedded profile: nothing but Node is needed. Suites named `*.full.test.ts` need Kafka, MongoDB or Redis (`vitest.full.config.ts`). */
export default defineConfig({
  test: {
    include: ["{domain,packages,services,infra}/**/test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/*.full.test.ts"],
    globalSetup: ["packages/testing/src/setup/postgres.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2
  }
})
