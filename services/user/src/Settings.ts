import { Config, Context, Duration, Layer } from "effect"

const settings = Config.all({
  /** However often its token is renewed, a session ends after this. */
  sessionLifetime: Config.Duration("USER_SESSION_LIFETIME").pipe(Config.withDefault(Duration.days(30))),
  /** Log-ins that may be hashed at once; each takes a core for tens of milliseconds. */
  concurrentLogins: Config.Int("USER_CONCURRENT_LOGINS").pipe(Config.withDefault(2)),
  /** Log-ins that may wait for that; more are told to come back. */
  waitingLogins: Config.Int("USER_WAITING_LOGINS").pipe(Config.withDefault(200))
})

export class Settings extends Context.Service<Settings, Config.Success<typeof settings>>()("@marketplace/user/Settings") {
  static readonly layer = Layer.effect(Settings, settings)
}
