package scenarios

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios/internal/compat"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Varies reports whether a guest with the setting runs the probe's variants: if
// nothing is locked, which is the control, and if the probe's own reason is.
// What is refused since the boot has no variants, and a machine that is stopped
// or used up has none either.
func (r Row) Varies(s lockdown.Setting) bool {
	return r.Expect == Checked && r.Do != nil && !r.Once && !r.Exclusive && !r.CheckedAtBoot && r.Machine != Debugger &&
		(!s.Locked() || s.Locks(r.Reason)) && !r.DeniedAtBoot(s)
}

// The act of a probe that must be denied is repeated that often, or until the time
// is over, but at least as often as that of its control.
const (
	repeats        = 100
	repeatTime     = 20 * time.Millisecond
	controlRepeats = 2
)

// VariantAgain is the name of the variant that repeats the act.
const VariantAgain = "again"

// Vary does the act again and again, with other arguments, and as other askers:
// whether the kernel refuses must not depend on any of these. The process cannot
// be used for another probe afterwards.
func (r Row) Vary(ctx context.Context, env Env) []Variant {
	list := []Variant{r.again(ctx, env).Vary(VariantAgain), r.onSameFiles(ctx, env)}
	if compat.Native {
		list = append(list, r.openedByCompat(ctx, env))
	}
	if r.More != nil {
		list = append(list, r.More(ctx, env)...)
	}
	return append(list, r.asked(ctx, env, false)...)
}

// VaryElsewhere does the act as those askers that are in namespaces of their own.
// The calling process must be in them, and can be used for other probes.
func (r Row) VaryElsewhere(ctx context.Context, env Env) []Variant {
	return r.asked(ctx, env, true)
}

// again repeats the act. If the act must be denied, the report is that of the first
// repetition that was done, whatever the others were, or of the first that was
// neither done nor denied, with its number. Otherwise it is the last one's, of
// few: the control only shows that the act can be repeated.
func (r Row) again(ctx context.Context, env Env) (last Report) {
	if !env.Setting.Locks(r.Reason) {
		for range controlRepeats {
			last = r.Do(ctx, env)
		}
		return last
	}
	var odd *Report
	until := time.Now().Add(repeatTime)
	for n := 1; n <= repeats && (n <= controlRepeats || time.Now().Before(until)); n++ {
		last = r.Do(ctx, env)
		if last.Outcome == Denied && last.Effect != Happened {
			continue
		}
		last.Call += fmt.Sprintf(" (repetition %d)", n)
		if last.Outcome == Allowed && last.Effect != Nothing || last.Effect == Happened {
			return last
		}
		if odd == nil {
			r := last
			odd = &r
		}
	}
	if odd != nil {
		return *odd
	}
	return last
}

// sameFiles is how often an act is done with the files that it opened the first
// time.
const sameFiles = 3

// onSameFiles does the act again with the same open files: whether the kernel
// refuses must not depend on what was refused or allowed on a file before.
func (r Row) onSameFiles(ctx context.Context, env Env) Variant {
	var f observe.Files
	defer f.Close()
	var last Report
	f.Do(func() {
		for n := 1; n <= sameFiles; n++ {
			last = r.Do(ctx, env)
			if f.Len() == 0 || n > 1 && (last.Outcome != Denied || last.Effect == Happened) {
				return
			}
		}
	})
	return last.Vary("with the same open files")
}

// openedByCompat does the act with files that a 32-bit program's open(2) opens.
func (r Row) openedByCompat(ctx context.Context, env Env) (v Variant) {
	observe.OpenedBy(compat.OpenFile, func() { v = r.Do(ctx, env).Vary("opened by a 32-bit call") })
	return v
}

// FindVariant finds the variant with the arguments; nil if there is none.
func FindVariant(list []Variant, args string) *Variant {
	i := slices.IndexFunc(list, func(v Variant) bool { return v.Args == args })
	if i < 0 {
		return nil
	}
	return &list[i]
}
