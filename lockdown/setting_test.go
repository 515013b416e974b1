package lockdown

import (
	"errors"
	"strings"
	"testing"
)

func TestParseSetting(t *testing.T) {
	for _, tc := range []struct {
		text, want string
		level      Level
		args       string
	}{
		{"none", "none", None, ""},
		{"none@runtime", "none", None, ""},
		{"integrity", "integrity@boot", Integrity, "lockdown=integrity"},
		{"confidentiality@boot", "confidentiality@boot", Confidentiality, "lockdown=confidentiality"},
		{"integrity@runtime", "integrity@runtime", Integrity, ""},
		{"kcore,dev_mem@runtime", "dev_mem,kcore@runtime", None, ""},
		{"dev_mem,dev_mem", "dev_mem@boot", None, "lockdown_reasons=dev_mem"},
		{"msr,integrity,kcore", "integrity,kcore@boot", Integrity, "lockdown=integrity lockdown_reasons=kcore"},
		{"dev_mem@coco", "dev_mem@coco", None, "ldlab_coco"},
		{"integrity@kernel", "integrity@kernel", Integrity, ""},
		{strings.Join(Tokens(), ","), strings.Join(Tokens(), ",") + "@boot", None, "lockdown_reasons=" + strings.Join(Tokens(), ",")},
		{strings.Join(Tokens()[:20], ",") + "@runtime", strings.Join(Tokens()[:20], ",") + "@runtime", None, ""},
	} {
		s, err := ParseSetting(tc.text)
		if err != nil {
			t.Errorf("ParseSetting(%q): %v", tc.text, err)
			continue
		}
		if s.String() != tc.want || s.Level != tc.level || strings.Join(s.KernelArgs(), " ") != tc.args {
			t.Errorf("ParseSetting(%q) = %s, level %s, args %q; want %s, %s, %q",
				tc.text, s, s.Level, s.KernelArgs(), tc.want, tc.level, tc.args)
		}
		again, err := ParseSetting(s.String())
		if err != nil || again.String() != s.String() {
			t.Errorf("ParseSetting(%q) is not stable: %s, %v", s, again, err)
		}
	}
}

func TestParseSettingRefuses(t *testing.T) {
	for text, word := range map[string]string{
		"":                       "",
		"bogus":                  "bogus",
		"Integrity":              "Integrity",
		"integrity@":             "",
		"integrity@night":        "night",
		"dev_mem,":               "",
		"dev_mem kexec":          "dev_mem kexec",
		"/dev/mem,kmem,port@now": "now",
	} {
		_, err := ParseSetting(text)
		var unknown *UnknownError
		if !errors.As(err, &unknown) || unknown.Word != word {
			t.Errorf("ParseSetting(%q): %v, want unknown %q", text, err, word)
		}
	}
	for _, text := range []string{"integrity,confidentiality", "none,dev_mem", "integrity@coco", "kexec@coco", "kexec@kernel", "integrity,kcore@kernel"} {
		if s, err := ParseSetting(text); err == nil {
			t.Errorf("ParseSetting(%q) = %s, want an error", text, s)
		}
	}
}

func TestCheckInterface(t *testing.T) {
	for _, tc := range []struct {
		text  string
		iface Interface
		ok    bool
	}{
		{"confidentiality@runtime", Upstream, true},
		{"integrity@kernel", Upstream, true},
		{"dev_mem@boot", Upstream, false},
		{"integrity,kcore@runtime", Upstream, false},
		{"dev_mem@coco", Upstream, false},
		{"dev_mem@coco", Bitmap, true},
		{"dev_mem@boot", Bitmap, true},
		{"dev_mem@runtime", BitmapV1, true},
		{"dev_mem@boot", BitmapV1, false},
	} {
		s, err := ParseSetting(tc.text)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.CheckInterface(tc.iface); (err == nil) != tc.ok {
			t.Errorf("%s on %s: %v, want ok %v", s, tc.iface, err, tc.ok)
		}
	}
}

func TestWrites(t *testing.T) {
	for _, tc := range []struct {
		text  string
		iface Interface
		want  []Write
	}{
		{"integrity@boot", Bitmap, nil},
		{"integrity@runtime", Upstream, []Write{{LevelFile, "integrity"}}},
		{"integrity,kcore,perf@runtime", Bitmap, []Write{{LevelFile, "integrity"}, {ReasonsFile, "kcore,perf"}}},
		{"dev_mem@runtime", BitmapV1, []Write{{SingleReasonFile, "/dev/mem,kmem,port"}}},
	} {
		s, err := ParseSetting(tc.text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Writes(tc.iface)
		if err != nil || len(got) != len(tc.want) {
			t.Errorf("%s on %s: %v, %v; want %v", s, tc.iface, got, err, tc.want)
			continue
		}
		for i := range got {
			if got[i] != tc.want[i] {
				t.Errorf("%s on %s: write %d is %v, want %v", s, tc.iface, i, got[i], tc.want[i])
			}
		}
	}
}

func TestReasons(t *testing.T) {
	seen := map[string]bool{}
	highest := Integrity
	for _, r := range Reasons() {
		if seen[string(r.Reason)] || seen[r.Label] {
			t.Errorf("%s or its label occurs twice", r.Reason)
		}
		seen[string(r.Reason)], seen[r.Label] = true, true
		if strings.ContainsAny(string(r.Reason), " ,/@\n") || strings.ToLower(string(r.Reason)) != string(r.Reason) {
			t.Errorf("%q is no token: it must survive a comma list", r.Reason)
		}
		if _, err := ParseLevel(string(r.Reason)); err == nil {
			t.Errorf("%s is a level's name too", r.Reason)
		}
		if r.Level < highest {
			t.Errorf("%s breaks the kernel's order: levels include each other", r.Reason)
		}
		highest = r.Level
	}
}
