package lockdown

import (
	"fmt"
	"slices"
	"strings"
)

// An Interface is the ABI through which a kernel locks and shows reasons.
type Interface string

const (
	Upstream Interface = "upstream" // mainline: three levels, one file
	// Bitmap is the lab's series: levels as in mainline, and single reasons in a
	// file of their own. A level is what was asked for; it does not follow from
	// reasons.
	Bitmap   Interface = "bitmap"
	BitmapV1 Interface = "bitmap-v1" // the series posted in 2025, with the lab's file for single reasons
)

// Interfaces lists every interface.
func Interfaces() []Interface { return []Interface{Upstream, Bitmap, BitmapV1} }

// ListsReasons reports whether there is a file that lists and locks single reasons.
func (k Interface) ListsReasons() bool { return k == Bitmap }

// A Delivery is how a setting takes effect.
type Delivery string

const (
	Boot    Delivery = "boot"    // kernel command line
	Runtime Delivery = "runtime" // securityfs, by the guest program
	CoCo    Delivery = "coco"    // an in-kernel caller: the lab's simulated confidential guest
	Kernel  Delivery = "kernel"  // the kernel itself: its configuration, or a patch that looks at the firmware
)

var deliveries = []Delivery{Boot, Runtime, CoCo, Kernel}

// A Setting is what is locked and how. The zero value locks nothing and adds no
// kernel argument.
type Setting struct {
	Level   Level    // a whole level, or None
	Reasons []Reason // single reasons in addition, in the kernel's order
	Via     Delivery
}

// String returns the text form: none, integrity@boot, dev_mem,kcore@runtime.
func (s Setting) String() string {
	var parts []string
	if s.Level != None {
		parts = append(parts, s.Level.String())
	}
	for _, r := range s.Reasons {
		parts = append(parts, string(r))
	}
	if len(parts) == 0 {
		return "none"
	}
	how := s.Via
	if how == "" {
		how = Boot
	}
	return strings.Join(parts, ",") + "@" + string(how)
}

// MarshalText returns the text form.
func (s Setting) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText parses the text form.
func (s *Setting) UnmarshalText(b []byte) (err error) { *s, err = ParseSetting(string(b)); return }

// An UnknownError is a word that names nothing known.
type UnknownError struct {
	What  string   // the type of name: reason or level, delivery
	Word  string   // as the user wrote it
	Known []string // the valid names
}

func (e *UnknownError) Error() string { return fmt.Sprintf("unknown %s %q", e.What, e.Word) }

// ParseSetting parses the text form of a setting. Without @, the delivery is
// boot. The result is canonical: reasons are in the kernel's order, once each,
// without those that the level includes.
func ParseSetting(text string) (Setting, error) {
	what, how, cut := strings.Cut(text, "@")
	s := Setting{Via: Boot}
	if cut {
		s.Via = Delivery(how)
		if !slices.Contains(deliveries, s.Via) {
			return Setting{}, &UnknownError{"delivery", how, []string{string(Boot), string(Runtime), string(CoCo), string(Kernel)}}
		}
	}
	var named []Reason
	levels := 0
	for _, word := range strings.Split(what, ",") {
		if l, err := ParseLevel(word); err == nil {
			s.Level = l
			if levels++; levels > 1 {
				return Setting{}, fmt.Errorf("setting %q names two levels", text)
			}
			continue
		}
		if _, ok := Info(Reason(word)); !ok {
			return Setting{}, &UnknownError{"reason or level", word, append([]string{"none", "integrity", "confidentiality"}, Tokens()...)}
		}
		named = append(named, Reason(word))
	}
	for _, r := range reasons {
		if slices.Contains(named, r.Reason) && !s.Level.Locks(r.Reason) {
			s.Reasons = append(s.Reasons, r.Reason)
		}
	}
	switch {
	case levels == 1 && s.Level == None && len(named) > 0:
		return Setting{}, fmt.Errorf("setting %q combines none with reasons", text)
	case s.Level == None && len(s.Reasons) == 0:
		s.Via = Boot // there is only one way to lock nothing
	case s.Via == CoCo && s.String() != "dev_mem@coco":
		return Setting{}, fmt.Errorf("setting %q: a confidential guest can lock only dev_mem", text)
	case s.Via == Kernel && len(s.Reasons) > 0:
		return Setting{}, fmt.Errorf("setting %q: a kernel locks itself with a level only", text)
	}
	return s, nil
}

// Locks reports whether the level locks the reason.
func (l Level) Locks(r Reason) bool {
	info, ok := Info(r)
	return ok && info.Level <= l
}

// Locks reports whether the setting locks the reason.
func (s Setting) Locks(r Reason) bool { return s.Level.Locks(r) || slices.Contains(s.Reasons, r) }

// Locked reports whether the setting locks anything.
func (s Setting) Locked() bool { return s.Level != None || len(s.Reasons) > 0 }

// locksSingly reports whether the setting locks reasons outside a whole level,
// which an upstream kernel cannot do.
func (s Setting) locksSingly() bool { return len(s.Reasons) > 0 }

// KernelArgs returns the kernel arguments of the setting; none for what is
// locked at run time, or by the kernel itself. For the level none there is no argument, because
// lockdown=none is invalid (lockdown_param, v6.12).
func (s Setting) KernelArgs() []string {
	switch s.Via {
	case Runtime, Kernel:
		return nil
	case CoCo:
		return []string{"ldlab_coco"}
	}
	var args []string
	if s.Level != None {
		args = append(args, "lockdown="+s.Level.String())
	}
	if len(s.Reasons) > 0 {
		args = append(args, "lockdown_reasons="+joinReasons(s.Reasons))
	}
	return args
}

func joinReasons(rs []Reason) string {
	var words []string
	for _, r := range rs {
		words = append(words, string(r))
	}
	return strings.Join(words, ",")
}

// Lockdown's files in securityfs.
const (
	Dir              = "/sys/kernel/security"
	LSMFile          = Dir + "/lsm"
	LevelFile        = Dir + "/lockdown"
	ReasonsFile      = Dir + "/lockdown_reasons" // interface bitmap
	SingleReasonFile = Dir + "/lockdown_door"    // interface bitmap-v1
)

// A Write is one write(2) of a whole command to a lockdown file.
type Write struct {
	File string
	Data string
}

// Writes returns the writes that lock the setting at run time through the
// interface, in order; none for other deliveries. If the kernel cannot lock
// single reasons, it is an error.
func (s Setting) Writes(k Interface) ([]Write, error) {
	if err := s.CheckInterface(k); err != nil {
		return nil, err
	}
	if s.Via != Runtime {
		return nil, nil
	}
	var w []Write
	if s.Level != None {
		w = append(w, Write{LevelFile, s.Level.String()})
	}
	switch {
	case len(s.Reasons) == 0:
	case k.ListsReasons():
		w = append(w, Write{ReasonsFile, joinReasons(s.Reasons)})
	case k == BitmapV1:
		for _, r := range s.Reasons {
			info, _ := Info(r)
			w = append(w, Write{SingleReasonFile, info.Label})
		}
	}
	return w, nil
}

// CheckInterface reports why a kernel with the interface cannot have the
// setting; nil if it can.
func (s Setting) CheckInterface(k Interface) error {
	switch {
	case k == Upstream && s.locksSingly():
		return fmt.Errorf("setting %s: an upstream kernel cannot lock single reasons", s)
	case !k.ListsReasons() && s.Via == CoCo:
		return fmt.Errorf("setting %s: only a bitmap kernel has the function that a confidential guest calls", s)
	case k == BitmapV1 && s.locksSingly() && s.Via != Runtime:
		return fmt.Errorf("setting %s: a bitmap-v1 kernel cannot lock single reasons at boot", s)
	}
	return nil
}
