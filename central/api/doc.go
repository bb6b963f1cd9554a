// Package api is the JSON API under /v1, for systems: a police system that asks for footage and fetches it, and systems of the municipality that read the register.
//
// # Security first
//
// The API decides nothing. Each call that changes anything is a command to the same ledger that the desk's buttons give theirs to, wrapped in [central.Through]: the
// domain itself says what a system may do, and no command exists by which a system checks or decides. A test goes through every such command.
//
// Who is asking, in two parts. The system shows who it is: it signs an assertion with the private key whose public half an administrator registered at the desk, and gets
// an access token for it. The person it acts for is named in the header Medewerker, by the pseudonym that the ledger knows; names and service numbers do not come here. That
// person must be a requester of the system's own unit and be active at this moment, as at the desk. That it really is this person the unit vouches for, under its agreement;
// so the ledger holds both (by, via), and the pages show both. The three people of invariant 12 stay three: handler and approver come to the desk themselves.
//
// What a unit's people see and do at the desk about their own requests its system sees and does here, and nothing more. A request of another unit is not there, nor is another
// organisation's agreement. Of people a request names those of the unit who asked and fetched, by pseudonym; not who checks and decides. Of the register a chain partner's system
// sees the cameras that are or were in use; drafts, and how the municipality runs its cameras, only the municipality's own systems. A test goes through every field of the
// domain and expects it here, or a reason why not.
//
// # Coming in
//
// OAuth 2.0 client credentials with private_key_jwt (RFC 6749 section 4.4, RFC 7523), as the NL GOV Assurance profile asks:
//
//	POST /v1/toegangstokens
//	Content-Type: application/x-www-form-urlencoded
//
//	grant_type=client_credentials&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=JWT[&scope=…]
//
//	JWT: header  alg ES256 (EC P-256) or PS256 (RSA), as the registered key says and not as the header would like
//	     claims  iss = sub = the system's id; aud = the address of the token endpoint, alone; exp at most five minutes ahead; jti, another each time
//
// An assertion admits once. Which ones did stands in the ledger (client.admitted, with the hash of the jti), so that all centres on one ledger know, also after a restart;
// that is also how an administrator sees when a system last came in. A system comes in at most thirty times an hour.
//
// The access token lasts [TokenTerm]. It is signed (HMAC-SHA256) and not stored: any centre with the same keys folder accepts it. It carries the system, its scopes and its
// end; that the system has not been withdrawn and that the unit's agreement is valid is asked of the ledger with every call.
//
//	token = "bw1." base64url(JSON {"c": system, "s": [scopes], "e": end, unix seconds}) "." base64url(HMAC-SHA256 of all before the last dot)
//
// # Form
//
// The NL API Design Rules 2.1. Resource names, fields and query keys are Dutch; codes are the ledger's own. Every answer says API-Version. A path that ends in a slash is
// not there. Times are UTC, RFC 3339. JSON is read strictly: a field that is unknown or given twice is refused, with a JSON pointer to where. Lists come in pages. Every JSON
// answer to a GET has an ETag, and If-None-Match is honoured. What Accept does not take is not given (406).
//
// What is wrong is said in problem+json (RFC 9457): type ends in the code of the refusal and can be looked up (/v1/fouten/{code}); title and detail are Dutch, or English if
// Accept-Language prefers that. Form and content are 400, never 422. The token endpoint alone answers as RFC 6749 section 5.2 says.
//
// # What is repeated happens once
//
// Filing carries an Idempotency-Key: the same key with the same content files once and gives the same answer, also much later and at another centre; with other content it is
// refused (409). All other changes are PUT and may be repeated; a request that is changed into what it is keeps its check and its decision. Fetching is two steps, as at the desk:
// POST …/ophalingen records who fetches, then GET …/bestand gives the bag, to that person, for an hour; recorded again within that hour it is the same fetching. POST
// /vooruitblikken says what would become of a request, and records nothing. The bag is decrypted and checked whole against the recorder's entry before its first byte leaves.
//
// # One table
//
// routes.go has one table of operations. It serves them and it writes /v1/openapi.json, whose schemas are read from the Go types that are sent; so the document cannot say
// something else than the program does. A test calls every operation and holds each answer against the document; spectral lints it.
//
// # Logs
//
// One line for each call: operation, system, status, duration. No person, no address, no path.
package api
