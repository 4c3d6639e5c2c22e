import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiError, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Email } from "@marketplace/domain/User/Member"
import { MemberId } from "@marketplace/domain/User/Ids"
import { MemberOnly } from "../Access.ts"
import { Unavailable, ValidatesRequests } from "../Problems.ts"
import { conventions, summary } from "../Requests.ts"

export class WrongCredentials extends HttpApiError.Problem<WrongCredentials>()("WrongCredentials", {
  type: "/problems/wrong-credentials",
  status: 401,
  title: "E-mail address and password do not belong to an active member"
}) {}

export class TooManyLogins extends HttpApiError.Problem<TooManyLogins>()("TooManyLogins", {
  type: "/problems/too-many-logins",
  status: 429,
  title: "Too many log-ins are being checked; try again shortly"
}, { retryAfterSeconds: Schema.Int }) {}

/** A log-in: the access token goes into `Authorization: Bearer`. */
export class SessionView extends Schema.Class<SessionView>("SessionView")({
  accessToken: Schema.String,
  tokenType: Schema.Literals(["Bearer"]),
  /** Seconds. */
  expiresIn: Schema.Int,
  memberId: MemberId
}) {}

export class MemberView extends Schema.Class<MemberView>("MemberView")({
  id: MemberId,
  email: Schema.String,
  name: Schema.String,
  purchases: Schema.Int.annotate({ description: "Orders placed and paid" })
}) {}

export class SessionsGroup extends HttpApiGroup.make("sessions")
  .add(
    HttpApiEndpoint.post("logIn", "/v1/auth/sessions", {
      payload: Schema.Struct({ email: Email, password: Schema.RedactedFromValue(Schema.String.check(Schema.isMaxLength(200))) }),
      success: SessionView.pipe(HttpApiSchema.status(201)),
      error: [WrongCredentials, TooManyLogins, Unavailable]
    }).annotateMerge(summary("Log in"))
  )
{}

export class OwnSessionGroup extends HttpApiGroup.make("ownSession")
  .add(
    HttpApiEndpoint.delete("logOut", "/v1/auth/sessions/current", { success: HttpApiSchema.NoContent })
      .annotateMerge(summary("Log out: end this session everywhere"))
  )
  .middleware(MemberOnly)
{}

export class MembersGroup extends HttpApiGroup.make("members")
  .add(
    HttpApiEndpoint.get("me", "/v1/members/me", { success: MemberView })
      .annotateMerge(summary("Read your own profile"))
  )
  .middleware(MemberOnly)
{}

export class UserApi extends HttpApi.make("user")
  .add(SessionsGroup, OwnSessionGroup, MembersGroup)
  .annotateMerge(OpenApi.annotations({ title: "User", version: "1.0.0" }))
  .annotateMerge(conventions)
  .middleware(ValidatesRequests)
{}
