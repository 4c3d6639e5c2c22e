import * as Loopback from "../src/Loopback.ts"
import { purchaseSuite } from "./purchaseSuite.ts"

purchaseSuite(Loopback.services)
