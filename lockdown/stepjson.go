//go:build !lean

package lockdown

import (
	"encoding/json"
	"unicode/utf8"
)

// A plainStep has a Step's fields and not its methods.
type plainStep Step

// A rawStep is a Step whose data is no UTF-8, which JSON cannot say.
type rawStep struct {
	plainStep
	Raw []byte `json:",omitempty"`
}

// MarshalJSON keeps every byte of the data.
func (s Step) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(s.Data) {
		return json.Marshal(plainStep(s))
	}
	raw := rawStep{plainStep(s), []byte(s.Data)}
	raw.Data = ""
	return json.Marshal(raw)
}

// UnmarshalJSON takes what MarshalJSON gives.
func (s *Step) UnmarshalJSON(b []byte) error {
	var raw rawStep
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if *s = Step(raw.plainStep); len(raw.Raw) > 0 {
		s.Data = string(raw.Raw)
	}
	return nil
}
