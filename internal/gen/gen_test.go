package gen

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"al.essio.dev/pkg/shellescape"
	"github.com/goccy/go-yaml"
	"mvdan.cc/sh/v3/syntax"
)

var update = flag.Bool("update", false, "rewrite docs/ci")

func write(t testing.TB, name string, j Job) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, name, j); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestDocs holds docs/ci against what is printed.
func TestDocs(t *testing.T) {
	dir := filepath.Join("..", "..", "docs", "ci")
	var files []string
	for _, e := range engines {
		files = append(files, e.file)
		want := write(t, e.name, Job{})
		name := filepath.Join(dir, e.file)
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s is not what ldlab gen %s prints: %v; go test ./internal/gen -update", name, e.name, err)
		}
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range there {
		if !f.IsDir() && !slices.Contains(files, f.Name()) {
			t.Errorf("%s: no engine prints it", f.Name())
		}
	}
}

// TestEveryShard: each engine starts as many shards as it is told, and no flag of the
// plan changes a job's structure.
func TestEveryShard(t *testing.T) {
	hostile := []string{"--append", `a"b'c $(reboot) : # {x} - |`, "--setting", "dev_mem,kcore@runtime"}
	for _, name := range Names() {
		text := write(t, name, Job{Shards: 7, Selection: hostile})
		if !strings.Contains(text, "# Printed by: ldlab gen "+name+" --shards 7 -- --append ") {
			t.Errorf("%s: the first lines do not name the command:\n%.200s", name, text)
		}
		if strings.Contains(text, "<<") || strings.Contains(text, "no value") {
			t.Errorf("%s: a place of the template is left", name)
		}
		switch name {
		case "slurm":
			if _, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !strings.Contains(text, "#SBATCH --array=1-7\n") || !strings.Contains(text, `$SLURM_ARRAY_TASK_ID/7"`) {
				t.Errorf("%s: other shards than 7", name)
			}
		case "lava":
			if n := strings.Count(text, "\n---\n"); n != 7 || !strings.Contains(text, "--shard 7/7 ") {
				t.Errorf("%s: %d documents, want 7", name, n)
			}
			fallthrough
		default:
			for doc := range strings.SplitSeq(text, "\n---\n") {
				var v any
				err := yaml.Unmarshal([]byte(doc), &v)
				if name != "k8s" && name != "lava" && !strings.Contains(fmt.Sprint(v), shellescape.QuoteCommand(hostile)) {
					t.Errorf("%s: the flags of the plan are not in it", name)
				}
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
	for name, want := range map[string]string{"github": "shard: [1, 2, 3, 4, 5, 6, 7]\n", "gitlab": "parallel: 7\n", "k8s": "completions: 7\n  parallelism: 7\n"} {
		if !strings.Contains(write(t, name, Job{Shards: 7}), want) {
			t.Errorf("%s has no %q", name, want)
		}
	}
}

// TestReportOfIncompleteMerge: a merge that is not complete fails, and its report is
// written all the same. The script is run with programs that end as they are told.
func TestReportOfIncompleteMerge(t *testing.T) {
	var job struct {
		Merge struct{ Script []string }
	}
	if err := yaml.Unmarshal([]byte(write(t, "gitlab", Job{})), &job); err != nil {
		t.Fatal(err)
	}
	script := job.Merge.Script[len(job.Merge.Script)-1]
	for merge, report := range map[int]int{0: 0, 3: 0, 4: 1} {
		dir := t.TempDir()
		program := fmt.Sprintf("#!/bin/sh\n[ $1 = merge ] && exit %d\necho report\nexit %d\n", merge, report)
		if err := os.WriteFile(filepath.Join(dir, "ldlab"), []byte(program), 0o755); err != nil {
			t.Fatal(err)
		}
		c := exec.Command("sh", "-e", "-c", script)
		c.Dir = dir
		err := c.Run()
		text, _ := os.ReadFile(filepath.Join(dir, "junit.xml"))
		if (err == nil) != (merge == 0 && report == 0) || string(text) != "report\n" {
			t.Errorf("merge %d, report %d: %v, %q", merge, report, err, text)
		}
	}
}

// TestContinues: each job gives a shard what it had, where the engine does not keep it.
func TestContinues(t *testing.T) {
	text := write(t, "lava", Job{Shards: 2})
	for _, k := range []string{"1", "2"} {
		fetch, run, send := strings.Index(text, "/shard-"+k+".tar | tar -x || true"), strings.Index(text, "--shard "+k+"/2 --resume"), strings.Index(text, "-T shard-"+k+".tar")
		if fetch < 0 || fetch > run || run > send {
			t.Errorf("shard %s: fetched at %d, run at %d, sent at %d", k, fetch, run, send)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, j := range []Job{{Shards: 0}, {Shards: -1}, {Shards: 257}, {Shards: 3, Selection: []string{"a\nb"}}, {Shards: 3, Selection: []string{"${{ secrets.X }}"}}} {
		if j.Check() == nil {
			t.Errorf("%+v: no error", j)
		}
	}
	if err := (Job{Shards: 256, Selection: []string{"--kernel", "bitmap"}}).Check(); err != nil {
		t.Error(err)
	}
}
