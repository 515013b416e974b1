package observe

// Reasons why a probe is unavailable if the guest lacks its payload.
const (
	NoImage        = "the guest carries no image to load"
	NoTrustedImage = "the guest carries no image that this kernel trusts"
	NoModule       = "the guest carries no such module"
)
