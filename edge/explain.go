package edge

// explanation is what a finding means and what to do, in short sentences: it is read on a small screen, in the cold, by someone who did not write this.
type explanation struct{ means, do string }

const (
	callForHelp   = "Copy this page and call the people who maintain beeldwacht."
	callOfficer   = "Copy this page and give it to the privacy officer."
	changeNothing = "Change nothing on this disk. "
	ledgerRemedy  = "Nothing to mend here, and do not enrol this recorder anew: what it holds is evidence. Was the centre put back from a backup, or does somebody tell recorders different things? Phone the privacy officer. When it is explained, the keepers of the root keys sign a new roster that says where the ledger goes on (`beeldwacht roster -ledger`)."
)

// explanations are by [footage.Finding].What, and by how far a start came.
var explanations = map[string]explanation{
	"identity": {"The keys of this recorder cannot be read. Without them it cannot start.",
		"Look whether the folder in `identity` (edge.yaml) is there and belongs to the recorder's account. Was it never carried here? Then run `beeldwacht enrol`."},
	"journal": {"The log of this recorder is damaged, missing or cannot be read. The recorder does not write to it, so that the damage cannot be hidden: it records and deletes by what it remembers, and shows and releases nothing.",
		"Is its disk mounted, and can it be written (`findmnt`, `df -h`, `dmesg`)? If so, copy the whole journal folder to another disk before anything else. " + changeNothing + callForHelp},
	"journal behind": {"The witness knows more of this log than is here. That is what a disk looks like that was put back from a copy. The recorder records, and shows and releases nothing.",
		"Do not put anything else back. Phone the privacy officer, who can order this recorder to resume."},
	"journal that cannot be written": {"The log of this recorder is good, but nothing can be added to it. The recorder would record and delete, and show and release nothing.",
		"Make room on the disk, or mount it so that it can be written (`df -h`, `findmnt`, `dmesg`). Then check again."},
	"ledger refused": {"The centre showed this recorder two logs of its own that cannot both be true: one was put back from a copy, or made for this recorder alone. Both stand in the log of this recorder, with the centre's signatures. It takes no order any more, also after a restart; what it may record goes on being recorded and deleted.",
		ledgerRemedy},
	"orders": {"The orders in the log cannot be read back. The recorder does not know what it may record.",
		changeNothing + callForHelp},
	"footage": {"The disk with footage, or its index, cannot be used. The recorder does not start on it, so that missing footage is not taken for deleted footage.",
		"Is the right disk mounted (`findmnt`)? Mount it and check again. If it is the right one: " + changeNothing + callForHelp},
	"start": {"The recorder could not start.", callForHelp},

	"missing file": {"Footage, or the file a run begins with, should be here and is gone. Somebody removed it, or the disk lost it. It cannot come back; the log proves that it was there.",
		"Do not put it back from a copy. Look at the disk (`dmesg`, `smartctl -a`). " + callOfficer},
	"file that changed": {"A piece of footage is not what was recorded. The disk is wearing out, or somebody changed it. It is never shown or released.",
		"Do not remove it. Look at the disk (`dmesg`, `smartctl -a`); replace it when there are more of these. " + callOfficer},
	"missing key": {"A piece of footage is here, but its key is not: it can never be read again. The folder with keys was lost, put back from a copy, or damaged.",
		"Do not put keys back from a copy. Look whether the disk with the folder `keys` is mounted (`findmnt`). " + callOfficer},
	"missing disk": {"One of the disks with footage is not where it should be, or another is in its place. Its footage was not looked at. Cameras are recorded on the other disks; when its footage is due its keys are destroyed, so that nobody can read it.",
		"Is it mounted (`findmnt`), does it have power (`dmesg`)? Mount it, in this or in another's place, and check again. Is it dead? Take it out of `volumes` (edge.yaml). Is it gone? " + callOfficer},
	"key of gone footage": {"A piece of footage is gone, and its key is still here. Nobody can see it, but who has an old copy of the disk could.",
		"Look whether the disk with the folder `keys` can be written (`df -h`, `dmesg`), start the recorder, stop it, and check again. If it stays: " + callOfficer},
	"locked keys": {"This recorder needs a share of its key to read its footage, which is not here: the centre gives it only while the recorder runs. So what the footage holds was not looked at; all the rest was.",
		"Nothing is wrong. Start the recorder again: each piece of footage is checked whenever it is read."},
	"file that cannot be read": {"The disk cannot read a piece of footage.",
		"The disk is wearing out, or its cable is loose. Look at `dmesg` and `smartctl -a`, and replace the disk soon."},
	"init that changed": {"The file that a run of footage begins with is not what was recorded. That run does not play any more; its pieces are still there.",
		"Do not remove it. Look at the disk (`dmesg`, `smartctl -a`). " + callOfficer},
	"unknown file": {"A file lies among the footage that the recorder did not put there, or does not know any more. It is never shown, and it does not expire by itself.",
		"Do not open it: it may be footage that nobody may see. Do not remove it yourself. " + callOfficer},
	"footage that should be gone": {"A piece of footage was deleted and is on the disk again, or never left it. Nobody can see it, but it is kept too long.",
		"Was the disk put back from a copy? Say so. " + callOfficer},
	"overdue": {"A piece of footage is older than it may be and was not deleted.",
		"Look whether the disk can be written (`df -h`, `dmesg`), and check again. If it stays: " + callOfficer},
	"directory that cannot be removed": {"An empty directory is in the way. It does no harm.",
		"Look whether the disk can be written, and who owns the directory (`ls -ld`)."},
	"left-over release": {"A file that an unfinished release left over cannot be removed. It is encrypted and does no harm.",
		"Look whether the disk can be written, and who owns the file (`ls -l`)."},

	"broken row": {"A line of the index cannot be read. The footage it was about is not shown, and may not expire by itself.",
		changeNothing + callForHelp},
	"run that would not expire": {"The index does not say when a piece of footage must go. It is not shown once it is due, but it may stay on the disk.",
		"Start the recorder, stop it, and check again. If it stays: " + callOfficer},
	"segment beside its run":           indexWrong,
	"segment without a run":            indexWrong,
	"segment that is never journalled": indexWrong,
	"tombstone over a living segment":  indexWrong,
	"wrong count":                      indexWrong,
	"wrong minute":                     indexWrong,
}

var indexWrong = explanation{"The index contradicts itself: a fault of the disk or of this program. Recording and deleting go on.", changeNothing + callForHelp}
