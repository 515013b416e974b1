// Package gen prints jobs that run the shards of a plan on an engine: a CI, a batch
// system or a cluster. The engine starts the shards, and, but for LAVA, starts a shard
// again that died. That shard goes on where it was, because a file system, a server or
// the engine keeps its results.
package gen

import (
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"

	"al.essio.dev/pkg/shellescape"
)

// A Job is what varies. The zero value of a field is its default.
type Job struct {
	Shards    int      // default 3
	Selection []string // flags of ldlab plan
}

//go:embed templates
var templates embed.FS

// An engine has a template, and the file in docs/ci that shows it.
type engine struct{ name, file string }

var engines = []engine{
	{"github", "github.yml"}, {"gitlab", "gitlab.yml"}, {"slurm", "slurm.sh"}, {"k8s", "k8s.yaml"}, {"lava", "lava.yaml"},
}

// Names lists the engines.
func Names() (names []string) {
	for _, e := range engines {
		names = append(names, e.name)
	}
	return names
}

// Write prints a job of the engine name, which is one of Names.
func Write(w io.Writer, name string, j Job) error {
	i := slices.IndexFunc(engines, func(e engine) bool { return e.name == name })
	if i < 0 {
		return fmt.Errorf("unknown engine %q", name)
	}
	if j.Shards == 0 {
		j.Shards = 3
	}
	file := engines[i].file
	t, err := template.New(file).Delims("<<", ">>").ParseFS(templates, "templates/"+file)
	if err != nil {
		return fmt.Errorf("read template: %w", err)
	}
	command := []string{"ldlab", "gen", name, "--shards", fmt.Sprint(j.Shards)}
	if len(j.Selection) > 0 {
		command = append(append(command, "--"), j.Selection...)
	}
	var all []int
	for k := range j.Shards {
		all = append(all, k+1)
	}
	return t.Execute(w, map[string]any{
		"Shards": j.Shards, "All": all, "List": strings.Trim(strings.ReplaceAll(fmt.Sprint(all), " ", ", "), "[]"),
		"Command": shellescape.QuoteCommand(command), "Plan": plan(j.Selection),
	})
}

// plan are the flags of ldlab plan, with a blank before them, quoted for a shell.
func plan(flags []string) string {
	if len(flags) == 0 {
		return ""
	}
	return " " + shellescape.QuoteCommand(flags)
}

// Check reports why a job cannot be printed: its texts go into files of one line each.
func (j Job) Check() error {
	if j.Shards < 1 || j.Shards > 256 { // GitHub takes no more jobs of a matrix
		return fmt.Errorf("--shards is 1 to 256, not %d", j.Shards)
	}
	for _, s := range j.Selection {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) || strings.Contains(s, "${{") {
			return fmt.Errorf("a flag of the plan has a character that a job cannot have: %q", s)
		}
	}
	return nil
}
