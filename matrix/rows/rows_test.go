package rows

import (
	"context"
	"reflect"
	"slices"
	"testing"

	"github.com/ldlab/ldlab/scenarios"
)

// notJudged lists the fields of a row that no verdict depends on.
var notJudged = []string{"Name", "Lines", "AltersLock", "Do", "Apart", "More", "Class", "ClosedBy", "Absent", "DeniedLater"}

// TestDigestOfRows changes one field of a row at a time. A new field must be put
// into judgedRow or into notJudged.
func TestDigestOfRows(t *testing.T) {
	base := scenarios.Row{ID: "s/p", Probe: scenarios.Probe{}}
	before := digestOf([]scenarios.Row{base})
	for _, f := range reflect.VisibleFields(reflect.TypeFor[scenarios.Row]()) {
		if f.Anonymous || f.Name == "Undecided" { // set by Row.Of only
			continue
		}
		row := base
		v := reflect.ValueOf(&row).Elem().FieldByIndex(f.Index)
		switch {
		case f.Name == "Setup":
			v.Set(reflect.MakeFunc(v.Type(), func([]reflect.Value) []reflect.Value { panic("not run") }))
		case f.Name == "Do":
			row.Do = func(context.Context, scenarios.Env) scenarios.Report { panic("not run") }
		case f.Name == "More":
			row.More = func(context.Context, scenarios.Env) []scenarios.Variant { panic("not run") }
		default:
			change(t, v)
		}
		if changed := digestOf([]scenarios.Row{row}) != before; changed == slices.Contains(notJudged, f.Name) {
			t.Errorf("%s changes the digest: %v", f.Name, changed)
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[scenarios.Shadow]()) {
		row := base
		row.ShadowedBy = []scenarios.Shadow{{}}
		empty := digestOf([]scenarios.Row{row})
		change(t, reflect.ValueOf(&row.ShadowedBy[0]).Elem().FieldByIndex(f.Index))
		if digestOf([]scenarios.Row{row}) == empty {
			t.Errorf("ShadowedBy.%s does not change the digest", f.Name)
		}
	}
}

// change gives a field another value than its zero value.
func change(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	default:
		t.Fatalf("no other value for a %s", v.Type())
	}
}

func TestRowsDigestOfTables(t *testing.T) {
	a, b := "devmem/open", "kexec/load"
	if Digest([]string{a, b}) == Digest([]string{b, a}) || Digest([]string{a}) == Digest([]string{a, b}) || Digest([]string{"no/such"}) == Digest([]string{"no/other"}) {
		t.Error("different rows have the same digest")
	}
}
