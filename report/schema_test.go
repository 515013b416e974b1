package report

import (
	"bytes"
	"encoding"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// published is the schema of the JSON report, which follows from the types.
const published = "../docs/report.schema.json"

// A schema describes Go types in JSON Schema, each struct once, by its name.
type schema struct{ defs map[string]any }

// enums are the values of types whose values are a list.
var enums = map[reflect.Type][]string{
	reflect.TypeFor[matrix.Verdict]():    verdictNames(),
	reflect.TypeFor[scenarios.Outcome](): {string(scenarios.Allowed), string(scenarios.Denied), string(scenarios.Unavailable), string(scenarios.Failed), string(scenarios.Answered)},
}

func verdictNames() (list []string) {
	for _, v := range matrix.Verdicts() {
		list = append(list, string(v))
	}
	return list
}

func (s schema) of(t reflect.Type) map[string]any {
	if t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.String:
		if list := enums[t]; list != nil {
			return map[string]any{"enum": list}
		}
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return map[string]any{"type": []string{"string", "null"}}
		}
		return map[string]any{"type": []string{"array", "null"}, "items": s.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": []string{"object", "null"}, "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		name := t.Name()
		if s.defs[name] == nil {
			d := map[string]any{"type": "object", "additionalProperties": false}
			s.defs[name] = d
			properties, required := map[string]any{}, []string{}
			s.fields(t, properties, &required)
			d["properties"], d["required"] = properties, required
		}
		return map[string]any{"$ref": "#/$defs/" + name}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	}
	return map[string]any{"type": "integer"}
}

func (s schema) fields(t reflect.Type, properties map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if inner := f.Type; f.Anonymous && tag == "" {
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			s.fields(inner, properties, required)
			continue
		}
		if tag == "-" || !f.IsExported() {
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		if properties[tag] = s.of(f.Type); !strings.Contains(options, "omit") {
			*required = append(*required, tag)
		}
	}
}

// TestSchema: the published schema is that of the types, and every report is valid
// by it. -update writes it anew.
func TestSchema(t *testing.T) {
	s := schema{map[string]any{}}
	root := s.of(reflect.TypeFor[document]())
	root["$schema"], root["title"], root["$defs"] = "https://json-schema.org/draft/2020-12/schema", "Report of ldlab as JSON", s.defs
	root["$comment"] = "Written by go test ./report -update. A change of it is a change of what programs read."
	var b bytes.Buffer
	if err := JSON(&b, root); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(published, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(published)
	if err != nil || !bytes.Equal(want, b.Bytes()) {
		t.Fatalf("%s is not that of the types (%v); go test ./report -update writes it", published, err)
	}
	set, err := results.Load("../internal/results/testdata/format3.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := set.Matrix()
	if err != nil {
		t.Fatal(err)
	}
	checkSchema(t, published, "json", Measurement{Matrix: recorded}, measurement(t), poisoned(t, hostile))
}

// TestFormatsAreValid validates KCIDB and SARIF by schemas of our own writing.
func TestFormatsAreValid(t *testing.T) {
	lost := measurement(t)
	lost.Matrix.Tables[0].Columns[0].End = matrix.End{Ending: matrix.FailedByLab, Detail: "no memory\x00"}
	lost.Matrix.Header.Started = "yesterday"
	for _, name := range []string{"kcidb", "sarif"} {
		checkSchema(t, "formats/testdata/"+name+".schema.json", name, Measurement{Matrix: &matrix.Matrix{}}, measurement(t), lost, poisoned(t, hostile), poisoned(t, "\x00"), poisoned(t, ""))
	}
}

func checkSchema(t *testing.T, file, view string, list ...Measurement) {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiled, err := compiler.Compile(file)
	if err != nil {
		t.Fatal(err)
	}
	v, _ := Find(view)
	for _, m := range list {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(write(t, v, m)))
		if err != nil {
			t.Fatalf("%s: %v", view, err)
		}
		if err := compiled.Validate(doc); err != nil {
			t.Errorf("%s: %v", view, err)
		}
		if compiled.Validate(map[string]any{"x": json.Number("1")}) == nil {
			t.Errorf("%s: the schema takes anything", file)
		}
	}
}

// TestStatusOfVerdicts: LEAK and OVERBLOCKED are failures, the lab's fault an error, what is
// unavailable skipped, and what did not run missing.
func TestStatusOfVerdicts(t *testing.T) {
	m := measurement(t)
	for i := range 2 { // what the kernel was seen to do is its failure, whatever the lab did later
		m.Matrix.Tables[0].Columns[i].End = matrix.End{Ending: matrix.FailedByLab}
	}
	v, _ := Find("kcidb")
	var doc struct {
		Tests []struct {
			Status string
			Misc   map[string]string
		}
	}
	if err := json.Unmarshal(write(t, v, m), &doc); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"unproven": "ERROR", "LEAK": "FAIL", "unavailable": "SKIP", "not run": "MISS", "OVERBLOCKED": "FAIL", "lost": "ERROR", "enforced": "PASS", "DEVIATES": "FAIL"}
	seen := 0
	for _, test := range doc.Tests {
		if status := want[test.Misc["verdict"]]; status != "" {
			seen++
			if test.Status != status {
				t.Errorf("%s is %s, want %s", test.Misc["verdict"], test.Status, status)
			}
		}
	}
	if seen < len(want) {
		t.Errorf("%d of the verdicts occur", seen)
	}
}

// TestAnnotationsAreLines: a guest cannot begin a workflow command or end a
// property, and no level has more annotations than GitHub shows.
func TestAnnotationsAreLines(t *testing.T) {
	v, _ := Find("github")
	m := poisoned(t, "a, b: 50% ::error::x\r\n::set-env name=x::y")
	for range 3 {
		m.Matrix.Tables = append(m.Matrix.Tables, m.Matrix.Tables...)
	}
	levels := map[string]int{}
	for _, line := range strings.Split(strings.TrimSuffix(string(write(t, v, m)), "\n"), "\n") {
		level, rest, _ := strings.Cut(strings.TrimPrefix(line, "::"), " title=")
		title, _, ok := strings.Cut(rest, "::")
		if levels[level]++; !ok || strings.ContainsAny(title, ",:") || strings.Contains(line, "50% ") {
			t.Errorf("not one annotation: %q", line)
		}
	}
	if levels["error"] != 10 || levels["warning"] > 10 || len(levels) > 3 {
		t.Errorf("annotations of each level: %v", levels)
	}
}
