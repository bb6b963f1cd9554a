package ingest

import "net"

// repair puts right, on the wire, what cameras say in a way that gortsplib rejects. For now it changes nothing: this is the place for
// the repairs of cameras/CASES.md.
func repair(conn net.Conn) net.Conn { return conn }
