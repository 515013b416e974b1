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
	for _, ends := range [][2]int{{0, 0}, {3, 0}, {4, 1}, {0, 1}} {
		merge, report := ends[0], ends[1]
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

// TestContinues runs the steps of a LAVA job with programs in the place of curl and ldlab,
// and a directory in that of the server: a job continues what an earlier one of the same
// bundle has sent, and nothing of another bundle.
func TestContinues(t *testing.T) {
	type job struct {
		Actions []struct {
			Test struct {
				Definitions []struct {
					Repository struct{ Run struct{ Steps []string } }
				}
			}
		}
	}
	server, bin := t.TempDir(), t.TempDir()
	put := func(dir, name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(bin, "curl", "#!/bin/sh\ncase $1 in\n-fsSO) cp "+server+"/${2##*/} . ;;\n*) if [ $2 = -T ]; then cp $3 "+server+"; else cat "+server+"/${2##*/}; fi ;;\nesac\n")
	put(bin, "lava-test-case", "#!/bin/sh\nshift 2\nexec \"$@\"\n")
	const ldlab = "#!/bin/sh\nwhile [ $# -gt 1 ]; do shift; done\nmkdir -p $1\necho guest >> $1/results.jsonl\n"
	for i, tt := range []struct {
		bundle string
		shard  int
		want   string
	}{{"a", 1, "guest\n"}, {"a", 1, "guest\nguest\n"}, {"a", 2, "guest\n"}, {"b", 1, "guest\n"}, {"a", 1, "guest\nguest\nguest\n"}} {
		var j job
		docs := strings.Split(write(t, "lava", Job{Shards: 2}), "\n---\n")
		if err := yaml.Unmarshal([]byte(docs[tt.shard]), &j); err != nil {
			t.Fatal(err)
		}
		steps := j.Actions[2].Test.Definitions[0].Repository.Run.Steps
		dir := t.TempDir()
		put(server, "ldlab.tar.zst", tt.bundle)
		put(dir, "ldlab", ldlab)
		script := strings.Replace(strings.Join(steps, "\n"), "tar --zstd -xf ldlab.tar.zst ldlab\n", "", 1)
		c := exec.Command("sh", "-e", "-c", script)
		c.Dir, c.Env = dir, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("job %d: %v: %s", i, err, out)
		}
		if text, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("shard-%d", tt.shard), "results.jsonl")); string(text) != tt.want {
			t.Errorf("job %d, bundle %s, shard %d: %q, %v, want %q", i, tt.bundle, tt.shard, text, err, tt.want)
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
