import { OrderApi } from "@marketplace/schema/Order/HttpApi"
import { OrderId } from "@marketplace/domain/Order/Ids"
import * as I from "../src/Idempotency.ts"
const place = I.operation(OrderApi.groups.orders.endpoints.place, OrderId)
const a: string = place
