package footage

// Holder keeps the generation key, or its part on this disk where a share takes part in it; what that earns stands in the package comment. The default is a file that is
// overwritten in place ([disk.Slots]), which a disk with flash, a file system that copies on write, a snapshot or a backup may undo.
type Holder interface {
	// Keep stores a generation's key, and returns when it will be there after a power cut. The key of the generation before it stays. Keeping a generation again replaces its key.
	Keep(generation uint64, key []byte) error
	// Key gives the key of a generation that is kept. The caller wipes it.
	Key(generation uint64) ([]byte, error)
	// Only destroys the key of every other generation, and returns when that is done.
	Only(generation uint64) error
}

const slotMagic = "BWGENKEY"
