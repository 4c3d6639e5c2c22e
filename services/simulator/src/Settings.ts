import { Config, Context, Duration, Layer } from "effect"

const settings = Config.all({
  /** Shared with the merchant. */
  secret: Config.Redacted("PAYMENT_SIMULATOR_SECRET"),
  /** How long an approval can be confirmed. Toss Payments: 10 minutes. */
  confirmationWindow: Config.Duration("PAYMENT_SIMULATOR_CONFIRMATION_WINDOW").pipe(Config.withDefault(Duration.minutes(10)))
})

export class Settings extends Context.Service<Settings, Config.Success<typeof settings>>()("@marketplace/simulator/Settings") {
  static readonly layer = Layer.effect(Settings, settings)
}
