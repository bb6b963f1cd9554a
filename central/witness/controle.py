#!/usr/bin/env python3
"""Checks this folder: the signatures (by openssl), and that each entry shown is in the log that was signed for (RFC 6962).

It needs Python 3 and openssl 3, and trusts nobody but the key of the recorder, which stands in finding.json and on the paper of its enrolment.
"""
import base64, datetime, glob, hashlib, json, os, subprocess, sys

here = os.path.dirname(os.path.abspath(__file__))
bad = 0


def path(name):
    return os.path.join(here, name)


def say(ok, what):
    global bad
    bad += not ok
    print(("goed / good:   " if ok else "FOUT / WRONG:  ") + what)
    return ok


def beside(name, content):
    """Checked is what stands in finding.json; a person reads the file beside it."""
    if not os.path.exists(path(name)) or open(path(name), "rb").read() != content:
        say(False, name + ": is niet wat hier is nagegaan / is not what was checked here")


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def included(proof, size, seq, line):
    """Root of a tree of size in which line is entry seq (RFC 9162 section 2.1.3.2)."""
    fn, sn, r = seq, size - 1, hashlib.sha256(b"\x00" + line).digest()
    for p in proof:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    return r if sn == 0 else None


def consistent(proof, old, old_root, size, root):
    """The tree of size begins with that of old (RFC 9162 section 2.1.4.2)."""
    if old == size:
        return not proof and old_root == root
    if old == 0:
        return not proof
    proof = list(proof)
    if old & (old - 1) == 0:
        proof.insert(0, old_root)
    if not proof:
        return False
    fn, sn = old - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0]
    for c in proof[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return fr == old_root and sr == root and sn == 0


def un64(s):
    return base64.b64decode(s) if s else b""


def checkpoint(note):
    lines = note.decode().split("\n")
    return int(lines[1]), un64(lines[2])


f = json.load(open(path("finding.json")))
ours, theirs = un64(f.get("ours")), un64(f.get("theirs"))
signed, cosigned = set(), []
for pem in sorted(glob.glob(path("signature-*.pem"))):
    base = pem[:-4]
    run = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", pem, "-rawin", "-in", base + ".text", "-sigfile", base + ".sig"], capture_output=True)
    ok = say(run.returncode == 0, "handtekening / signature " + os.path.basename(base))
    der = un64("".join(open(pem).read().split("\n")[1:-2]))
    recorder = der[-32:] == un64(f["Log"].split("+", 2)[2])[1:]
    text = open(base + ".text", "rb").read()
    if ok and recorder:
        signed.add(text)
    elif text.split(b"\n", 2)[-1] not in [note.split(b"\n\n")[0] + b"\n" for note in (ours, theirs)]:  # behind the two lines of a cosignature
        say(False, os.path.basename(base) + ": staat niet onder ours.note of theirs.note / is not under ours.note or theirs.note")
    elif ok:
        cosigned.append(datetime.datetime.fromtimestamp(int(text.split(b"\n")[1].split(b" ")[1]), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S"))
for name, note in (("ours", ours), ("theirs", theirs)):
    if note:
        beside(name + ".note", note)
    ledger = name == "theirs" and f["kind"] == "clock"  # the centre's own checkpoint, which the recorder's entry holds
    if note and not ledger:
        say(note.split(b"\n\n")[0] + b"\n" in signed, name + ".note: getekend door de recorder / signed by the recorder")
for s in f.get("shown") or []:
    size, root = checkpoint(ours)
    header = un64(s["header"])
    beside("entry-%d.header" % s["seq"], header)
    beside("entry-%d.tlog-proof" % s["seq"], "\n".join(["c2sp.org/tlog-proof@v1", "index %d" % s["seq"], *(s["proof"] or []), "", ""]).encode() + ours)
    say(included([un64(h) for h in s["proof"] or []], size, s["seq"], header) == root, "regel / entry %d" % s["seq"])
    if s.get("body"):
        beside("entry-%d.body" % s["seq"], un64(s["body"]))
        say(hashlib.sha256(un64(s["body"])).hexdigest() == json.loads(header)["body"], "inhoud van regel / body of entry %d" % s["seq"])
if f.get("inclusion") is not None and f.get("entry"):
    size, root = checkpoint(theirs)
    say(included([un64(h) for h in f["inclusion"] or []], size, f.get("seq", 0), un64(f["entry"])) == root, "theirs.note: regel / entry %d" % f.get("seq", 0))
if f["kind"] == "fork":
    (our_size, our_root), (their_size, their_root) = checkpoint(ours), checkpoint(theirs)
    say(ours.split(b"\n")[0] == theirs.split(b"\n")[0], "van hetzelfde logboek / of the same log")
    if their_size <= our_size:
        root = bytes.fromhex(f["root"])
        ok = root != their_root and consistent([un64(h) for h in f.get("proof") or []], their_size, root, our_size, our_root)
    else:
        ok = f["entry"] != f["ourEntry"] and included([un64(h) for h in f.get("ourInclusion") or []], our_size, f.get("seq", 0), un64(f["ourEntry"])) == our_root
    say(ok, "de twee logboeken spreken elkaar tegen / the two logs contradict each other")
if f["kind"] in ("rollback", "truncation"):
    def entries(note):
        """Number of the log, its entries, and when."""
        first, line = note.decode().split("\n")[:2]
        if first.startswith("beeldwacht/status"):
            return (json.loads(line).get("log", 1), json.loads(line)["entries"]), json.loads(line)["time"]
        last = first.split("/")[-1]
        return (int(last) if last.isdigit() else 1, int(line)), json.loads(un64(f["shown"][-1]["header"]))["time"]
    (had, before), (has, now) = entries(ours), entries(theirs)
    say(has < had and now > before, "%s: logboek / log %d, %d regels / entries; %s: %d, %d" % (before, *had, now, *has))
if f["kind"] == "clock":
    wrote = json.loads(un64(f["shown"][0]["header"]))["time"]
    if theirs:  # the recorder's entry holds the centre's ledger, of which an entry is younger
        held = json.loads(un64(f["shown"][0].get("body")) or b"{}").get("checkpoint", "")
        other = json.loads(un64(f["entry"]))["time"]
        ok = held.encode() == theirs and other > wrote
    else:  # a witness had the entry before its time
        other = min(cosigned, default="?")
        ok = other < wrote
    say(ok, "klok / clock: %s, %s" % (wrote, other))
print("\n" + f["seen"]["NL"] + "\n" + f["seen"]["EN"] if f.get("seen") else f["detail"])
sys.exit(1 if bad else 0)
