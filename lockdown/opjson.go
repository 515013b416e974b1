//go:build !lean

package lockdown

import (
	"encoding/json"
	"unicode/utf8"
)

// A plainOp has the fields of an Op without its methods.
type plainOp Op

// A rawOp is an Op whose data is not UTF-8, which JSON cannot hold.
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

// UnmarshalJSON reads the output of MarshalJSON.
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
