#!/usr/bin/env python3
"""Controleert deze map zonder onze software / checks this folder without our software. Python 3.9+, nothing to install.

    python3 verify.py [folder]

It follows the footage to the checkpoint: manifests, each segment's SHA-256, the minute's tree, the journal entry, the log's tree. It does NOT
check signatures (roster, grant, recorder, witnesses): that needs `beeldwacht verify`.
"""
import base64, hashlib, json, sys
from pathlib import Path

root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
(root / "bagit.txt").is_file() or sys.exit(f"{root}: geen uitgepakt pakket / not an unpacked bag. python3 verify.py [map / folder]")
wrong = []


def bad(where, what):
    wrong.append(where)
    print(f"FOUT / WRONG  {where}: {what}")


def sha(b):
    return hashlib.sha256(b).digest()


def path_root(leaf, index, size, path):
    """The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2), or None."""
    at, last, h = index, size - 1, sha(b"\0" + leaf)
    if not 0 <= index < size:
        return None
    for p in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            h = sha(b"\1" + p + h)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            h = sha(b"\1" + h + p)
        at, last = at >> 1, last >> 1
    return h if last == 0 else None


def file_sha(path, offset=0, size=None):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        f.seek(offset)
        while size is None or size > 0:
            b = f.read(1 << 20 if size is None else min(size, 1 << 20))
            if not b:
                break
            h.update(b)
            size = None if size is None else size - len(b)
    return h.hexdigest() if not size else "too short"


def manifests():
    listed = {"tagmanifest-sha256.txt"}
    for name in ("tagmanifest-sha256.txt", "manifest-sha256.txt"):
        for line in (root / name).read_text("utf-8").splitlines():
            want, _, file = line.partition("  ")
            listed.add(file)
            if not (root / file).is_file():
                bad(file, f"listed in {name}, but not there")
            elif file_sha(root / file) != want:
                bad(file, f"is not the file that {name} lists")
    for f in root.rglob("*"):
        name = f.relative_to(root).as_posix()
        if f.is_file() and name not in listed:
            bad(name, "is in no manifest")


def entries():
    """Every journal entry in proof/, as far as it hangs under the checkpoint: seq -> (header, body)."""
    note = (root / "proof/checkpoint").read_text("utf-8")
    _, size, tree = note.split("\n")[:3]
    found = {}
    for f in sorted((root / "proof").glob("*.header")):
        header, body = f.read_bytes(), f.with_suffix(".body").read_bytes()
        head, seq = json.loads(header), int(f.stem)
        proof = f.with_suffix(".tlog-proof").read_text("utf-8").split("\n\n")[0].split("\n")
        path = [base64.b64decode(h) for h in proof[2:] if h]
        if head["seq"] != seq or proof[1] != f"index {seq}":
            bad(f.name, "is another entry")
        elif head["body"] != sha(body).hex():
            bad(f"{seq}.body", "does not hash to what its header says")
        elif path_root(header, seq, int(size), path) != base64.b64decode(tree):
            bad(f"{seq}.header", "is not in the log that proof/checkpoint describes")
        else:
            found[seq] = (head, json.loads(body))
    return found


def segments(journal):
    count = 0
    for table in sorted((root / "data").rglob("segments.tsv")):
        init = file_sha(table.with_name("init.mp4"))
        for line in table.read_text("utf-8").splitlines()[1:]:
            c = line.split("\t")
            where = f"{table.parent.name}/{c[0]} @ {c[1]} (segment {c[9]}, {c[10]})"
            path = [] if c[5] == "-" else [bytes.fromhex(h) for h in c[5].split(",")]
            head, body = journal.get(int(c[2]), ({}, {}))
            tree = path_root("\t".join(c[6:]).encode(), int(c[3]), int(c[4]), path)
            count += 1
            if file_sha(table.with_name(c[0]), int(c[1]), int(c[12])) != c[13]:
                bad(where, "the bytes are not those that were sealed")
            if c[14] != init:
                bad(where, "init.mp4 is not the one that was sealed")
            if head.get("kind") != "footage.sealed" or tree is None or tree.hex() != body["root"] or int(c[4]) != body["count"]:
                bad(where, f"is not in the minute that journal entry {c[2]} sealed")
    return count


manifests()
journal = entries()
count = segments(journal)
print(f"{count} segmenten, {len(journal)} journaalregels / {count} segments, {len(journal)} journal entries")
print("NIET IN ORDE / NOT IN ORDER" if wrong else "Hashes kloppen / hashes are right. Handtekeningen / signatures: beeldwacht verify")
sys.exit(1 if wrong else 0)
