#!/usr/bin/env python3
"""Controleert bewijs zonder onze software / checks evidence without our software. Needs Python 3.9+ and the openssl command, nothing else.

    python3 verify.py [FOLDER [KEYS]]     an unpacked bag; without KEYS nobody knows whose bag it is
    python3 verify.py N.tlog-proof KEYS   one entry of a log, with N.header and N.body beside it
KEYS has lines "root …" for a bag, and "log …", "witness …" and "quorum N" for an entry; get it from somewhere else than what you check.
Exit code: 0 all is shown, 1 something is wrong, 2 it could not be examined, 3 nothing is wrong but not all is shown. `beeldwacht verify`
looks further: whether footage is missing, at holds, clocks and terms.
"""
import base64, hashlib, json, struct, subprocess, sys, tempfile
from pathlib import Path

RANK = ["in orde / ok", "NIET AANGETOOND / NOT SHOWN", "NIET IN ORDE / FAILED"]
verdict = {"Integriteit / integrity": 0, "Tijd / time": 0, "Bevoegdheid / authorisation": 0}
(INTEGRITY, TIME, AUTHORISATION), ACCESS = verdict, ("release.intent", "access.view")
ED25519, P256 = bytes.fromhex("302a300506032b6570032100"), bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")  # public keys in DER begin so
sha, b64 = lambda b: hashlib.sha256(b).digest(), lambda s: {base64.b64encode(b): b for b in [base64.b64decode(s)]}[s.encode()]  # in its one spelling

def say(which, where, what, rank=2):
    verdict[which] = max(verdict[which], rank, print(f"{RANK[rank]}  {where}: {what}") or 0)
def openssl(how, **files):
    with tempfile.TemporaryDirectory() as folder:
        [Path(folder, name).write_bytes(content) for name, content in files.items()]
        return subprocess.run(["openssl", *how.split()], cwd=folder, capture_output=True).returncode == 0
def digest(path, at=0, size=1 << 62):
    with open(path, "rb") as f:
        h, _ = hashlib.sha256(), f.seek(at)
        while b := f.read(min(size, 1 << 20)):
            h, size = h.update(b) or h, size - len(b)
    return h.hexdigest()
def signed(note, vkey):  # whether a key signed a note (C2SP signed-note); of a witness (cosignature/v1) when, in seconds since 1970
    (name, key_hash, data), (text, _, lines) = vkey.split("+", 2), note.rpartition(b"\n\n")
    text, data = text + b"\n", b64(data)
    for sig in (b64(line.split(" ")[2]) for line in lines.decode().splitlines() if line.startswith(f"— {name} ")):
        message, sig, answer = text, sig[4:] if sig[:4].hex() == key_hash else b"", True
        if data.startswith(b"\xffbeeldwacht/passkey-es256/v1\n"):  # WebAuthn: two parts behind their lengths, then ECDSA
            parts, asked = [], base64.urlsafe_b64encode(sha(text)).decode().rstrip("=")
            while sig and len(parts) < 2:
                size = 2 + struct.unpack(">H", sig[:2])[0]
                parts, sig = parts + [sig[2:size]], sig[size:]
            return len(parts) == 2 and (parts[0][:32], parts[0][32] & 5, json.loads(parts[1])["type"], json.loads(parts[1])["challenge"]) == (data[-65:-33], 5, "webauthn.get", asked) \
                and openssl("dgst -sha256 -verify key -keyform DER -signature sig message", key=P256 + data[-33:], sig=sig, message=parts[0] + sha(parts[1]))
        if data[0] == 4 and sig:
            answer, sig = struct.unpack(">Q", sig[:8])[0], sig[8:]
            message = b"cosignature/v1\ntime %d\n" % answer + text
        if sig and data[0] in (1, 4):
            return openssl("pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in message -sigfile sig", key=ED25519 + data[1:], sig=sig, message=message) and answer
    return False
def path_root(leaf, index, size, path):  # that an inclusion proof leads to (RFC 9162 section 2.1.3.2), or nothing
    at, last, h = index, size - 1, sha(b"\0" + leaf)
    for p in path:
        right = at & 1 or at == last
        h = last and sha(b"\1" + (p + h if right else h + p)) or b""  # nothing where the proof is too long
        while right and not at & 1 and at:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    return h if last == 0 and 0 <= index < size else b""
def checkpoint(note, log, witnesses, quorum):  # size and root that a log's key signed, under its name or a successor's (name/2), and enough witnesses have seen
    name, (first, _, key) = note.decode().split("\n")[0], log.split("+", 2)
    if any(line[:2] != "— " for line in note.decode().rpartition("\n\n")[2].splitlines()) or name != first and (name.rpartition("/")[0] != first or not name.rpartition("/")[2].isdecimal()) or not signed(note, f"{name}+{sha((name + chr(10)).encode() + b64(key))[:4].hex()}+{key}"):
        say(INTEGRITY, "checkpoint", f"niet getekend door / not signed by {log}")
    seen = len({w.split("+", 2)[2] for w in witnesses if signed(note, w)})
    if seen < max(quorum, 1):
        say(TIME, "checkpoint", f"{seen} getuigen tekenden, nodig zijn / witnesses signed, needed are {max(quorum, 1)}", 1)
    return int(note.split(b"\n")[1]), b64(note.decode().split("\n")[2])
def entry(base, size, tree):  # of the log of that root: what its header and its body say
    seq, header, body = int(Path(base).name), Path(base + ".header").read_bytes(), Path(base + ".body").read_bytes() if Path(base + ".body").exists() else None
    head, proof = json.loads(header), Path(base + ".tlog-proof").read_text("utf-8").split("\n\n")[0].split("\n")
    if (head["seq"], proof[:2]) != (seq, ["c2sp.org/tlog-proof@v1", f"index {seq}"]) or path_root(header, seq, size, [b64(h) for h in proof[2:]]) != tree:
        say(INTEGRITY, f"{seq}.header, {seq}.tlog-proof", "staat niet in het journaal van het / is not in the log of the checkpoint")
    if body is None or head["body"] != sha(body).hex():
        say(INTEGRITY, f"{seq}.body", *(("is niet bijgevoegd / is not there", 1) if body is None else ("is niet de inhoud die de kop noemt / is not the body that its header names",)))
    return {**head, "facts": json.loads(body or "{}")}
def bag(root, roots):
    names = {f.relative_to(root).as_posix() for f in root.rglob("*") if f.is_file()}
    listed = {line[66:]: line[:64] for name in ("tagmanifest", "manifest") for line in (root / f"{name}-sha256.txt").read_text("utf-8").splitlines()}
    for name in (set(listed) ^ names) - {"tagmanifest-sha256.txt"} | {n for n in set(listed) & names if digest(root / n) != listed[n]}:
        say(INTEGRITY, name, "is niet het bestand in de lijst / is not the file in the manifest")
    orders = [(root / f"orders/{name}.txt").read_bytes() for name in ("roster", "grant")]
    roster, grant = ({k: [v[len(k) + 1:] for v in text if v.startswith(k + " ")] for k in (v.split(" ")[0] for v in text)} for text in (o.decode().split("\n\n")[0].splitlines() for o in orders))
    vouching = sum(signed(orders[0], r) for r in set(roots))
    for which in verdict if vouching < 2 else ():
        say(which, "orders/roster.txt", f"getekend met / signed by {vouching} van uw hoofdsleutels / of your root keys; nodig / needed: 2", 2 if roots and which == AUTHORISATION else 1)
    top = checkpoint((root / "proof/checkpoint").read_bytes(), roster["recorder-key"][0], roster["witness"], int(roster["quorum"][0]))
    journal, asked, count = {int(f.stem): entry(str(f.with_suffix("")), *top) for f in root.glob("proof/*.header")}, grant["asked"][0].split("/"), 0
    for table, c in ((t, line.split("\t")) for t in root.glob("data/*/*/segments.tsv") for line in t.read_text("utf-8").splitlines()[1:]):
        where, minute, count = f"{table.parent.name}/{c[0]} @ {c[1]} (segment {c[9]}, {c[10]})", journal.get(int(c[2]), {}), count + 1
        path = [] if c[5] == "-" else [bytes.fromhex(h) for h in c[5].split(",")]
        if digest(table.with_name(c[0]), int(c[1]), int(c[12])) != c[13] or digest(table.with_name("init.mp4")) != c[14]:
            say(INTEGRITY, where, "is niet wat de recorder vastlegde / is not what the recorder sealed")
        if minute.get("kind") != "footage.sealed" or (path_root("\t".join(c[6:]).encode(), int(c[3]), int(c[4]), path).hex(), int(c[4])) != (minute["facts"]["root"], minute["facts"]["count"]):
            say(INTEGRITY, where, f"staat niet in de minuut van / is not in the minute of entry {c[2]}")
        if [c[6]] != grant["camera"] or c[10] >= asked[1] or c[11] <= asked[0]:
            say(AUTHORISATION, where, "valt buiten de toestemming / is outside the grant")
    envelope = b"".join(f.read_bytes() for f in root.glob("orders/grant-envelope.txt"))  # with which the centre may vouch for those who did not sign
    centre = roster["level-centre"] == ["allowed"] and orders[1] in envelope and signed(envelope, roster["order-key"][0])
    for task in ("handler", "approver"):
        seats = [s.split(" ") for s in roster.get(task, []) if s.split(" ")[:2] == grant["regime"] + grant[task]]
        if not seats or not centre and not any(signed(orders[1], s[2]) for s in seats if s[2:]):
            say(AUTHORISATION, "orders/grant.txt", f"{task} {grant[task][0]} tekende niet / did not sign")
    intents = [e["time"] for e in journal.values() if e["kind"] == ACCESS[0] and e["facts"]["document"] == sha(orders[1]).hex()]
    if len({grant[p][0] for p in ("requester", "handler", "approver")}) < 3 or grant["recorder"] != roster["recorder"] or not intents or not grant["not-before"][0] <= intents[0] < grant["not-after"][0]:
        say(AUTHORISATION, "orders/grant.txt", "niet van drie mensen, niet voor deze recorder of niet vooraf vastgelegd / not of three people, not for this recorder or not journalled before")
    print(f"{count} segmenten, {len(journal)} journaalregels / {count} segments, {len(journal)} journal entries")

arguments = sys.argv[1:3] or [str(Path(__file__).parent)]
what, told = arguments[0], [line.split() for k in arguments[1:] if Path(k).is_file() for line in Path(k).read_text("utf-8-sig").splitlines()]
given, proof = lambda word: [line[1] for line in told if line[:1] == [word]], what.endswith(".tlog-proof")
if not all(Path(a).exists() for a in arguments) or not (given("log") if proof else Path(what, "bagit.txt").is_file()) or not openssl("version"):
    sys.exit(print(f"{what}: niet na te gaan: geen uitgepakte bewijsmap, sleutels of openssl / cannot be examined: no unpacked bag, keys or openssl") or 2)
try:
    if not proof:
        bag(Path(what), given("root"))
    elif entry(what[:-11], *checkpoint(Path(what).read_bytes().split(b"\n\n", 1)[1], given("log")[0], given("witness"), int((given("quorum") or [len(given("witness"))])[0])))["kind"] in ACCESS:
        say(AUTHORISATION, what, "een inzage; zie het journaal of de map / an access; see the log or the bag", 1)
except Exception as e:
    say(INTEGRITY, what, f"iets ontbreekt of is niet te lezen / something is missing or cannot be read: {e!r}")
print(*(f"{name}: {RANK[rank]}" for name, rank in verdict.items()), sep="\n")
sys.exit((0, 3, 1)[max(verdict.values())])
