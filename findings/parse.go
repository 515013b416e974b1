package findings

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/strictyaml"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// A document is a finding as its file has it.
type document struct {
	ID         string    `yaml:"id"`
	Kind       string    `yaml:"kind"`
	Claim      string    `yaml:"claim"`
	Source     texts     `yaml:"source"`
	Note       string    `yaml:"note"`
	Kernel     string    `yaml:"kernel"`
	Arch       texts     `yaml:"arch"`
	Setting    string    `yaml:"setting"`
	Append     string    `yaml:"append"`
	Machine    string    `yaml:"machine"`
	Patch      string    `yaml:"patch"`
	OnTop      string    `yaml:"on_top"`
	OutOfReach string    `yaml:"out_of_reach"`
	Expect     string    `yaml:"expect"`
	Steps      []rawStep `yaml:"steps"`
}

// A rawStep is a step as its file has it.
type rawStep struct {
	Setting   string              `yaml:"setting"`
	Probe     string              `yaml:"probe"`
	Verdict   texts               `yaml:"verdict"`
	Open      string              `yaml:"open"`
	Read      string              `yaml:"read"`
	Write     string              `yaml:"write"`
	Call      string              `yaml:"call"`
	Flags     string              `yaml:"flags"`
	As        string              `yaml:"as"`
	Data      string              `yaml:"data"`
	Hex       string              `yaml:"hex"`
	At        int64               `yaml:"at"`
	Size      int                 `yaml:"size"`
	Args      []strictyaml.Scalar `yaml:"args"`
	Times     int                 `yaml:"times"`
	Answer    string              `yaml:"answer"`
	RefutedBy string              `yaml:"refuted_by"`
	Is        *string             `yaml:"is"`
	Has       texts               `yaml:"has"`
	Lacks     texts               `yaml:"lacks"`
	Lockdown  string              `yaml:"lockdown"`
	Lines     *int                `yaml:"lines"`
	MaxLines  *int                `yaml:"max_lines"`
	Logs      texts               `yaml:"logs"`
	LogsNot   texts               `yaml:"logs_not"`
}

// texts are one text or a list of them.
type texts []string

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (t *texts) UnmarshalYAML(decode func(any) error) error {
	var one string
	if err := decode(&one); err == nil {
		*t = texts{one}
		return nil
	}
	return decode((*[]string)(t))
}

// argOf is an argument of a system call in the form of observe.ParseArg.
func argOf(s strictyaml.Scalar) string {
	if s.Number || strings.HasPrefix(s.Text, "$") || strings.HasPrefix(s.Text, "hex:") || strings.HasPrefix(s.Text, "zeros:") {
		return s.Text
	}
	return "text:" + s.Text
}

// A file is a document with the places of its parts.
type file struct{ strictyaml.File }

// Parse reads one finding. name is the name of its file. The error is an *Error.
func Parse(name string, text []byte) (f Finding, err error) {
	var doc document
	in, err := strictyaml.Decode(name, "finding", text, &doc)
	if err != nil {
		return f, err
	}
	return file{in}.finding(doc)
}

// finding checks a document.
func (f file) finding(d document) (Finding, error) {
	x := Finding{
		ID: d.ID, File: f.Name, Kind: Kind(d.Kind), Claim: strings.Join(strings.Fields(d.Claim), " "), Source: d.Source, Note: strings.Join(strings.Fields(d.Note), " "),
		Kernel: d.Kernel, Arches: d.Arch, Setting: d.Setting, Append: strings.TrimSpace(d.Append), Machine: scenarios.MachineKind(d.Machine), Patch: d.Patch, OnTop: d.OnTop,
		OutOfReach: strings.Join(strings.Fields(d.OutOfReach), " "), Expect: Status(d.Expect), in: f.File,
	}
	if x.Kernel == "" {
		x.Kernel = "stock"
	}
	if len(x.Arches) == 0 {
		x.Arches = []string{"x86_64"}
	}
	if x.Setting == "" {
		x.Setting = "none"
	}
	if err := f.head(x); err != nil {
		return x, err
	}
	for i, raw := range d.Steps {
		s, err := f.step(fmt.Sprintf("$.steps[%d]", i), raw)
		if err != nil {
			return x, err
		}
		x.Steps = append(x.Steps, s)
	}
	return x, f.whole(x)
}

// head checks what is beside the steps.
func (f file) head(x Finding) error {
	base := f.Name[strings.LastIndex(f.Name, "/")+1:]
	switch {
	case x.ID == "" || strings.Trim(x.ID, "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
		return f.At("$.id", "id %q: lower case, digits and dashes", x.ID)
	case base != x.ID+".yaml":
		return f.At("$.id", "id %q: the file must be %s.yaml", x.ID, x.ID)
	case !slices.Contains(Kinds(), x.Kind):
		return f.At("$.kind", "kind %q: one of %v", x.Kind, Kinds())
	case x.Claim == "":
		return f.At("$.claim", "claim is missing")
	case len(x.Source) == 0:
		return f.At("$.source", "source is missing")
	case x.Patch != "" && x.OnTop != "":
		return f.At("$.on_top", "a finding has one of patch and on_top")
	case x.Machine != scenarios.Plain && x.Machine != scenarios.Firmware:
		return f.At("$.machine", "machine %q: %s or none", x.Machine, scenarios.Firmware)
	case x.Expect != Reproduced && x.Expect != Refuted && x.Expect != NotApplicable:
		return f.At("$.expect", "expect %q: %s, %s or %s", x.Expect, Reproduced, Refuted, NotApplicable)
	}
	for i, a := range x.Arches {
		if a != "x86_64" && a != "arm64" {
			return f.At("$.arch", "arch %q: x86_64 or arm64", a)
		}
		if slices.Contains(x.Arches[:i], a) {
			return f.At("$.arch", "arch %q is there twice", a)
		}
	}
	if _, err := lockdown.ParseSetting(x.Setting); err != nil {
		return f.At("$.setting", "%v", err)
	}
	if err := plan.CheckAppend(x.Append); err != nil {
		return f.At("$.append", "%s", strings.TrimPrefix(err.Error(), "--append: "))
	}
	return nil
}

// whole checks what the steps are together.
func (f file) whole(x Finding) error {
	if (len(x.Steps) == 0) != (x.OutOfReach != "") {
		return f.At("$.steps", "a finding has steps or a reason why it is out_of_reach")
	}
	if x.OutOfReach != "" {
		if x.Expect != NotApplicable {
			return f.At("$.expect", "what is out_of_reach is %s", NotApplicable)
		}
		return nil
	}
	if !slices.ContainsFunc(x.Steps, Step.Expects) {
		return f.At("$.steps", "no step has what it shows if the claim is right")
	}
	for _, set := range x.settings() {
		if err := scenarios.CheckSteps(x.acts(set)); err != nil {
			return f.At("$.steps", "%v", err)
		}
	}
	return nil
}

// step checks one step.
func (f file) step(where string, raw rawStep) (s Step, err error) {
	s = Step{Setting: raw.Setting, Probe: raw.Probe, Answer: raw.Answer, RefutedBy: raw.RefutedBy, Is: raw.Is, Has: raw.Has, Lacks: raw.Lacks, Names: lockdown.Reason(raw.Lockdown), Lines: raw.Lines, Most: raw.MaxLines, Logs: raw.Logs, LogsNot: raw.LogsNot}
	if s.Setting != "" {
		if _, err := lockdown.ParseSetting(s.Setting); err != nil {
			return s, f.At(where+".setting", "%v", err)
		}
	}
	var acts []string
	for _, act := range []struct{ key, value string }{{"probe", raw.Probe}, {"open", raw.Open}, {"read", raw.Read}, {"write", raw.Write}, {"call", raw.Call}} {
		if act.value != "" {
			acts = append(acts, act.key)
		}
	}
	if len(acts) != 1 {
		return s, f.At(where, "a step is one of probe, open, read, write and call, and not %d of them", len(acts))
	}
	if err := f.keys(where, acts[0], raw); err != nil {
		return s, err
	}
	if s.Probe != "" {
		return f.probeStep(where, s, raw)
	}
	if s.Act, err = f.act(where, acts[0], raw); err != nil {
		return s, err
	}
	return s, f.expected(where, s)
}

// ofAct are the keys that a step may have beside its act. Another one would do nothing.
var ofAct = map[string][]string{
	"probe": {"setting", "verdict"},
	"open":  append([]string{"flags", "as"}, ofEach...),
	"read":  append([]string{"flags", "at", "size", "is", "has", "lacks"}, ofEach...),
	"write": append([]string{"flags", "at", "data", "hex"}, ofEach...),
	"call":  append([]string{"args", "as"}, ofEach...),
}

// ofEach are those of every act but a probe.
var ofEach = []string{"setting", "times", "answer", "refuted_by", "lockdown", "lines", "max_lines", "logs", "logs_not"}

// keys checks that a step has no key of another act, and those that its own needs.
func (f file) keys(where, act string, raw rawStep) error {
	v := reflect.ValueOf(raw)
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("yaml")
		if v.Field(i).IsZero() || key == act || slices.Contains(ofAct[act], key) {
			continue
		}
		switch {
		case act == "probe":
			return f.At(where, "a probe has a verdict and nothing else, and not %s", key)
		case key == "verdict":
			return f.At(where+".verdict", "only a probe has a verdict")
		case key == "is" || key == "has" || key == "lacks":
			return f.At(where, "only a read has a content: is, has, lacks")
		}
		return f.At(where+"."+key, "the key %s means nothing beside %s, which has: %s", key, act, strings.Join(ofAct[act], " "))
	}
	switch {
	case act == "write" && raw.Data == "" && raw.Hex == "":
		return f.At(where, "a write needs data or hex")
	case raw.Flags != "" && strings.HasPrefix(raw.Open+raw.Read+raw.Write, "$"):
		return f.At(where+".flags", "flags mean nothing for a file that is open")
	}
	return nil
}

// probeStep checks a step that is a probe.
func (f file) probeStep(where string, s Step, raw rawStep) (Step, error) {
	if _, ok := scenarios.Find(s.Probe); !ok || strings.HasPrefix(s.Probe, scenarios.StepsID) {
		return s, f.At(where+".probe", "there is no probe %q: \"ldlab list probes\"", s.Probe)
	}
	if len(raw.Verdict) == 0 {
		return s, f.At(where, "a probe needs the verdict that it gets if the claim is right")
	}
	for i, v := range raw.Verdict {
		if !slices.Contains(matrix.Judged(), matrix.Verdict(v)) {
			return s, f.At(fmt.Sprintf("%s.verdict[%d]", where, i), "there is no verdict %q: \"ldlab list rules\"", v)
		}
		s.Verdict = append(s.Verdict, matrix.Verdict(v))
	}
	return s, nil
}

// act is a step's own act.
func (f file) act(where, key string, raw rawStep) (a scenarios.Step, err error) {
	a = scenarios.Step{Call: key, As: raw.As, Data: raw.Data, Hex: raw.Hex, At: raw.At, Size: raw.Size, Times: raw.Times}
	for _, value := range raw.Args {
		a.Args = append(a.Args, argOf(value))
	}
	switch key {
	case "open":
		a.File = raw.Open
	case "read":
		a.File = raw.Read
	case "write":
		a.File = raw.Write
	default:
		a.Call = raw.Call
		if !slices.Contains(scenarios.StepCalls(), a.Call) {
			return a, f.At(where+".call", "a step cannot make the call %q; there are: %s", a.Call, strings.Join(scenarios.StepCalls(), " "))
		}
	}
	if a.Flags, err = scenarios.OpenFlags(raw.Flags); err != nil {
		return a, f.At(where+".flags", "%v", err)
	}
	return a, nil
}

// expected checks what a step shows.
func (f file) expected(where string, s Step) error {
	switch {
	case s.Answer != "" && s.Answer != Ok && !scenarios.IsErrno(s.Answer):
		return f.At(where+".answer", "answer %q: an errno such as EPERM, or %s", s.Answer, Ok)
	case s.Answer == "" && !s.reads() && (s.Names == Nobody || s.Lines != nil || s.Most != nil || len(s.LogsNot) > 0):
		return f.At(where, "what a step does not log shows nothing without its answer: lockdown: none, lines, max_lines and logs_not need one")
	case s.RefutedBy != "" && (!scenarios.IsErrno(s.RefutedBy) || s.Answer == ""):
		return f.At(where+".refuted_by", "refuted_by %q: an errno, beside an answer", s.RefutedBy)
	case s.Lines != nil && *s.Lines < 0:
		return f.At(where+".lines", "lines must not be negative")
	case s.Most != nil && *s.Most < 0:
		return f.At(where+".max_lines", "max_lines must not be negative")
	}
	if s.Names != "" && s.Names != Nobody {
		if _, ok := lockdown.Info(s.Names); !ok {
			return f.At(where+".lockdown", "there is no reason %q: \"ldlab list settings\"", s.Names)
		}
	}
	return nil
}
