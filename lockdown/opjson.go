//go:build !lean

package lockdown

import (
	"encoding/json"
	"unicode/utf8"
)

// A plainOp has an Op's fields and not its methods.
type plainOp Op

// A rawOp is an Op whose data is no UTF-8, which JSON cannot say.
type rawOp struct {
	plainOp
	Raw []byte `json:",omitempty"`
}

// MarshalJSON keeps every byte of the data.
func (s Op) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(s.Data) {
		return json.Marshal(plainOp(s))
	}
	raw := rawOp{plainOp(s), []byte(s.Data)}
	raw.Data = ""
	return json.Marshal(raw)
}

// UnmarshalJSON takes what MarshalJSON gives.
func (s *Op) UnmarshalJSON(b []byte) error {
	var raw rawOp
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if *s = Op(raw.plainOp); len(raw.Raw) > 0 {
		s.Data = string(raw.Raw)
	}
	return nil
}
