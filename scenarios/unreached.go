package scenarios

// unreached says why no probe gets to a call of security_locked_down(), by
// file:function (Linux v6.12) and architecture; "" is every one. A run whose
// probes get there all the same, or that misses another, fails: the table can
// neither hide a site nor grow stale.
var unreached = map[string]map[string]string{}

// Unreached says why no probe gets to the call on the architecture; empty
// where that is not known.
func Unreached(call, arch string) string {
	if why, ok := unreached[call][arch]; ok {
		return why
	}
	return unreached[call][""]
}
