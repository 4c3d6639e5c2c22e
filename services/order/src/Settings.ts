import { Config, Context, Duration, Layer } from "effect"

const settings = Config.all({
  /** How long a buyer has to pay. */
  paymentWindow: Config.Duration("ORDER_PAYMENT_WINDOW").pipe(Config.withDefault(Duration.minutes(30))),
  /** After this an order that is still being placed is driven to an end without its client. */
  placingTimeout: Config.Duration("ORDER_PLACING_TIMEOUT").pipe(Config.withDefault(Duration.seconds(60))),
  /** How often waiting orders are looked at. */
  sweepInterval: Config.Duration("ORDER_SWEEP_INTERVAL").pipe(Config.withDefault(Duration.seconds(1)))
})

export class Settings extends Context.Service<Settings, Config.Success<typeof settings>>()("@marketplace/order/Settings") {
  static readonly layer = Layer.effect(Settings, settings)
}
