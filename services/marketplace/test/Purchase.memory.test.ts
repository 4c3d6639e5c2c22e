import * as Embedded from "../src/Embedded.ts"
import { purchaseSuite } from "./purchaseSuite.ts"

purchaseSuite(Embedded.services)
