// Package central is what the municipality decides: who may act, which cameras stand where under which besluit, who asked for which
// footage, and what was decided. It is a pure state machine: [Decide] says which events follow from a command, [State.Apply] carries an
// event out. It does no I/O and reads no clock; central/ledger keeps the events and is the only database.
//
// # What holds, whoever asks
//
// Footage is released or viewed only on a grant, and a grant needs three different people: requester, handler, approver (invariant 12). No role
// stands above that: an administrator appoints people, not themselves, and decides nothing; the privacy officer reads everything of the
// municipality's and approves nothing (R8). Handlers and approvers are appointed per regime, so that a WPG camera is decided by the
// police's own people. Ending a mandate suppresses evidence and takes two approvers. The recorder checks all this again: it does not
// trust the centre.
//
// Until the footage is fetched a grant goes on resting on those three people, on the agreement with the unit that receives and on the question as it was approved:
// whoever loses the role, or changes the question, makes it void (grant.voided, request.amended), it goes to the recorder as one that is over, and somebody decides anew.
//
// A demand may be spoken when it is urgent. Its writing must follow within three days (art. 126nda lid 3 Sv): one that did not come is an incident (oral.overdue), is
// counted, and gives no more footage until it does.
//
// Staff may have footage kept for 72 hours before anyone asks for it (kind provisional); nobody gets it, and asking again keeps it no longer. What no law gives goes out on
// the consent of everyone recognisable alone, until one of them takes it back (kind consent, R20). A colleague of the unit may take a request over; whoever ever asked
// counts as its requester.
//
// A preservation order (126ni Sv, or a court's) holds footage and releases nothing (kind preservation, keeping.go). Any hold stands 28 days on the envelope, counted from the first on
// that footage; beyond that two approvers of its regime sign for the same day, for WPG cameras on a concrete ground of the police, and never beyond the order, the mandate's longest
// hold or ninety days. What was asked may be taken back: handler and approver then end it. A decision may grant in part (partly.go): some cameras, or less of an interval, which its
// recorder rounds before it is approved; the rest is refused for its own reason and its hold lifted. It says what the footage may be used for, in the grant's purpose. Future data
// (126ne Sv, future.go) are decided once and delivered in parts, each a grant of its own; what nobody prepared is held before it ages out.
//
// # Placements
//
// A camera is a draft until nothing is missing ([State.Lacks], ready.go): protocol, besluit, a DPIA with the officer's advice whose score's minimum controls it meets (R12, dpia.go), sign or
// recorded exception (R15), the works council's consent where staff are filmed, an owner for each letter of RASCI (R7), a place in the Netherlands for its footage (R21). The same is asked
// when its besluit is renewed; no change of a camera in use makes it lack more. Its mandate ends with the besluit, without an order; suspending, withdrawing, muting and keeping footage
// shorter are orders that two approvers sign (window.go). Each camera is re-confirmed every year, and what nobody needed for a year is flagged (R23, R30, confirm.go).
//
// # Protocols, agreements, statements
//
// A camera protocol has versions, each drafted, advised on, adopted and dated (protocols.go, R3). Whoever acts on a camera under it has read it and said so: people are reminded from the day a
// version is recorded and have until it begins, at least a fortnight; then the act waits for the reading. Its annex is the register's own list of cameras, as of any day. Organisations
// have agreements that say what the policy lists (organisations.go, R19, R31): without a valid one a chain partner's people do nothing and nobody processes footage. Statements are dated
// versions that everyone can read, earlier ones too (statements.go, R26). What lapses or has to be looked at again stands in [State.Reviews] (R23).
//
// # Advice
//
// The privacy officer's advice weighs and does not bind (advice.go, R9). Where it is against something, the command that goes on is refused unless it comes in a [Despite], with a reason;
// that is an event of its own under the name of whoever went on, beside the decision and in the yearly reports. Reports to the college (college.go) are read by the officer and the
// college alone.
//
// # Systems
//
// A police system comes in through the API for a requester of its unit (clients.go). The ledger then holds both: who asked, and which system vouched for that. No system checks or
// decides, whomever it names.
//
// # Events and orders
//
//	FileRequest      → request.filed, order.issued (a hold a camera)
//	ConfirmHold      → hold.confirmed              (the recorder's own entry)
//	CheckRequest     → request.checked
//	DecideRequest    → request.decided, order.issued (a grant a camera, or the lifting of each hold)
//	RecordRelease    → release.ready
//	RecordDownload   → release.downloaded
//	ConfirmHandOver  → handover.confirmed, order.issued (the lifting of each hold)
//	KeepLonger       → keeping.proposed; by a second approver keeping.prolonged, order.issued (a hold with both names)
//	PrepareDelivery  → delivery.prepared, order.issued (a hold a camera); ApproveDelivery → delivery.approved, order.issued (a grant a camera)
//	WithdrawRequest  → request.withdrawn; then DecideRequest refuses or ends it, order.issued (the lifting of each hold)
//
// # Oversight
//
// The privacy officer keeps the incidents (R13, incidents.go: 72 hours from awareness; what recorders find, and accesses that nothing allowed, open themselves), draws
// samples (R11, samples.go) and keeps complaints, objections and letters (R27, matters.go). People who were filmed ask through handler and approver (R14,
// subjects.go): with the answer the hold is lifted, and after a refusal it stands until the six weeks to object are over. What those who oversee open is an event before it is shown, and of WPG cameras it is counts (R8, R10, readings.go). Reports are views of the
// state as of a day (R5, R6, R22, reports.go). The law stands in law.go, dated and with its source.
//
// # People are told
//
// Inbox is what waits for a person, News what was decided lately; a person's start page shows both, and central/mail mails both: urgent things at once, the rest on the
// morning of a working day, each thing once at each stage it comes to (telling.go). What was told is an event, so that centres on one ledger do not say it twice.
//
// The privacy officer signs the yearly report (yearly.go): its text, the counts of the recorders' logs and the hashes of its CSV and PDF stand in the ledger.
//
// # The outbox
//
// An order to a recorder is an event too: the ledger is the outbox. order.issued carries the document's whole text, and Apply reads holds,
// grants and mandates from that text, so that what was sent and what is believed to be sent are one thing. Orders are numbered per
// recorder, each one more than the last; [State.Outbox] is what a recorder has not yet used up.
//
// Facts come in from recorders' journals as commands without a person; each names its entry ([Source]), and the same entry given twice
// changes nothing.
package central
