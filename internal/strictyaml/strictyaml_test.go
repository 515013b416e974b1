package strictyaml

import (
	"strings"
	"testing"
)

// TestScalar: a whole number of 64 bits is one in each base, a larger one is an error and
// no text, and what only begins with digits is a text.
func TestScalar(t *testing.T) {
	for text, want := range map[string]struct {
		s   Scalar
		err string
	}{
		"-1":                     {Scalar{"-1", true}, ""},
		"0x10":                   {Scalar{"16", true}, ""},
		"0o17":                   {Scalar{"15", true}, ""},
		"0b11":                   {Scalar{"3", true}, ""},
		"0xffffffffffffffffff":   {Scalar{}, "0xffffffffffffffffff is no number of 64 bits"},
		"18446744073709551616":   {Scalar{}, "18446744073709551616 is no number of 64 bits"},
		`"18446744073709551616"`: {Scalar{"18446744073709551616", false}, ""},
		"12ab":                   {Scalar{"12ab", false}, ""},
		"7f":                     {Scalar{"7f", false}, ""},
		"0xyz":                   {Scalar{"0xyz", false}, ""},
		"1.5":                    {Scalar{}, "a whole number or a text is needed here"},
		"1e5":                    {Scalar{"1e5", false}, ""}, // the library knows no such number
	} {
		var v struct {
			A Scalar `yaml:"a"`
		}
		_, err := Decode("x.yaml", "list", []byte("a: "+text+"\n"), &v)
		if v.A != want.s || (err == nil) != (want.err == "") || err != nil && !strings.Contains(err.Error(), want.err) {
			t.Errorf("%s: %+v, %v", text, v.A, err)
		}
	}
}
