package fleet

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
)

func TestParseShard(t *testing.T) {
	for text, want := range map[string]Shard{"1/1": {1, 1}, "2/3": {2, 3}, "03/3": {3, 3}, "10000/10000": {10000, 10000}} {
		if s, err := ParseShard(text); err != nil || s != want {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "2", "/", "2/", "/3", "0/3", "4/3", "1/0", "-1/3", "1/-3", "1.5/3", "1/3/4", " 1/3", "1/3 ", "1/10001", "99999999999999999999/3"} {
		s, err := ParseShard(text)
		var usage *plan.UsageError
		if !errors.As(err, &usage) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, %v: want a usage error of one line", text, s, err)
		}
	}
}

// TestShardFromEnv has the environment that each engine gives to a shard, and what is
// wrong with others.
func TestShardFromEnv(t *testing.T) {
	for _, test := range []struct {
		name string
		env  string
		want Shard
		err  string
	}{
		{"nothing", "", Shard{1, 1}, ""},
		{"slurm from 1", "SLURM_ARRAY_TASK_ID=2 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_COUNT=3", Shard{2, 3}, ""},
		{"slurm from 0", "SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_COUNT=3", Shard{1, 3}, ""},
		{"slurm with steps", "SLURM_ARRAY_TASK_ID=8 SLURM_ARRAY_TASK_MIN=4 SLURM_ARRAY_TASK_STEP=2 SLURM_ARRAY_TASK_COUNT=3", Shard{3, 3}, ""},
		{"slurm beside steps", "SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_MIN=4 SLURM_ARRAY_TASK_STEP=2 SLURM_ARRAY_TASK_COUNT=3", Shard{}, "no shard of a Slurm array"},
		{"slurm before min", "SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_MIN=2 SLURM_ARRAY_TASK_COUNT=3 LDLAB_SHARDS=3", Shard{}, "no shard of a Slurm array"},
		{"slurm beyond", "SLURM_ARRAY_TASK_ID=9 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_COUNT=3", Shard{}, "shard 9 of 3 does not exist"},
		{"slurm without count", "SLURM_ARRAY_TASK_ID=2", Shard{}, "SLURM_ARRAY_TASK_COUNT is not"},
		{"slurm resubmitted in part", "SLURM_ARRAY_TASK_ID=2 SLURM_ARRAY_TASK_MIN=2 SLURM_ARRAY_TASK_COUNT=1 LDLAB_SHARDS=3", Shard{}, "SLURM_ARRAY_TASK_COUNT is 1, and LDLAB_SHARDS is 3"},
		{"slurm task alone", "SLURM_ARRAY_TASK_ID=2 SLURM_ARRAY_TASK_MIN=2 SLURM_ARRAY_TASK_MAX=2 SLURM_ARRAY_TASK_COUNT=1", Shard{}, "SLURM_ARRAY_TASK_MIN is 2"},
		{"slurm from 2, and whole", "SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=2 SLURM_ARRAY_TASK_COUNT=3 LDLAB_SHARDS=3", Shard{2, 3}, ""},
		{"slurm absurd", "SLURM_ARRAY_TASK_ID=two SLURM_ARRAY_TASK_COUNT=3", Shard{}, `"two" is no whole number`},
		{"gitlab", "CI_NODE_INDEX=3 CI_NODE_TOTAL=3", Shard{3, 3}, ""},
		{"gitlab from 0", "CI_NODE_INDEX=0 CI_NODE_TOTAL=3", Shard{}, "no shard of GitLab"},
		{"gitlab without total", "CI_NODE_INDEX=1", Shard{}, "CI_NODE_TOTAL is not"},
		{"buildkite", "BUILDKITE_PARALLEL_JOB=0 BUILDKITE_PARALLEL_JOB_COUNT=5", Shard{1, 5}, ""},
		{"kubernetes", "JOB_COMPLETION_INDEX=4 LDLAB_SHARDS=5", Shard{5, 5}, ""},
		{"kubernetes without count", "JOB_COMPLETION_INDEX=4", Shard{}, "set LDLAB_SHARDS, or give --shard"},
		{"kubernetes beyond", "JOB_COMPLETION_INDEX=5 LDLAB_SHARDS=5", Shard{}, "shard 6 of 5 does not exist"},
		{"bazel", "TEST_SHARD_INDEX=1 TEST_TOTAL_SHARDS=4", Shard{2, 4}, ""},
		{"bazel none", "TEST_SHARD_INDEX=0 TEST_TOTAL_SHARDS=0", Shard{}, "1 to 10000 shards, not 0"},
		{"a count alone", "LDLAB_SHARDS=5", Shard{}, "no variable with the shard's number"},
		{"a count of none", "JOB_COMPLETION_INDEX=0 LDLAB_SHARDS=0", Shard{}, "LDLAB_SHARDS"},
		{"a slurm job of gitlab", "CI_NODE_INDEX=1 CI_NODE_TOTAL=1 SLURM_ARRAY_TASK_ID=2 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_COUNT=2", Shard{2, 2}, ""},
	} {
		env := map[string]string{}
		for _, kv := range strings.Fields(test.env) {
			k, v, _ := strings.Cut(kv, "=")
			env[k] = v
		}
		s, from, err := ShardFromEnv(func(name string) string { return env[name] })
		if test.err != "" {
			var usage *plan.UsageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v, %v: want a usage error with %q", test.name, s, err, test.err)
			}
			continue
		}
		if err != nil || s != test.want || (from == "") != (test.env == "") {
			t.Errorf("%s: %v by %q, %v: want %v", test.name, s, from, err, test.want)
		}
	}
}

// TestAcknowledge touches Bazel's file, and nothing without one.
func TestAcknowledge(t *testing.T) {
	name := filepath.Join(t.TempDir(), "status")
	if err := Acknowledge(func(string) string { return "" }); err != nil {
		t.Fatal(err)
	}
	if err := Acknowledge(func(n string) string { return map[string]string{"TEST_SHARD_STATUS_FILE": name}[n] }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(name); err != nil {
		t.Error(err)
	}
}

// TestAssign: whatever the costs, each guest is in one shard, and no shard is longer
// than the others by more than its longest guest and the kernels.
func TestAssign(t *testing.T) {
	p := mustPlan(t, two)
	rapid.Check(t, func(t *rapid.T) {
		f := *mustFileOf(p)
		f.Guests = slices.Clone(f.Guests)
		setup, longest := 0.0, 0.0
		for i := range f.Guests {
			f.Guests[i].Seconds = float64(rapid.IntRange(0, 1000).Draw(t, "s")) / 10
			longest = max(longest, f.Guests[i].Seconds)
		}
		for _, k := range f.Kernels {
			setup += k.Seconds
		}
		n := rapid.IntRange(1, 2*len(f.Guests)).Draw(t, "n")
		seen := map[string]bool{}
		var spent []float64
		for k := 1; k <= n; k++ {
			sum := 0.0
			for _, g := range f.guests(Shard{k, n}) {
				if seen[g.ID] {
					t.Fatalf("%s is in two shards", g.ID)
				}
				seen[g.ID] = true
				sum += g.Seconds
			}
			spent = append(spent, sum)
		}
		if len(seen) != len(f.Guests) {
			t.Fatalf("%d of %d guests are in a shard", len(seen), len(f.Guests))
		}
		if d := slices.Max(spent) - slices.Min(spent); d > longest+setup+0.1 {
			t.Fatalf("shards of %v s", spent)
		}
	})
}

func mustFileOf(p *plan.Plan) *File {
	f, err := New(p, Costs{}, "test")
	if err != nil {
		panic(err)
	}
	return f
}

// TestAssignKeepsKernelsTogether: a shard boots few kernels if that costs nothing.
func TestAssignKeepsKernelsTogether(t *testing.T) {
	p := mustPlan(t, plan.Selection{Kernels: []string{"stock", "stock@7.3"}, Probes: two.Probes})
	f := mustFile(t, p)
	for i := range f.Guests {
		f.Guests[i].Seconds = 1
	}
	for k := range 4 {
		boots := map[string]bool{}
		for _, g := range f.guests(Shard{k + 1, 4}) {
			boots[g.Guest.Kernel+g.Guest.Arch] = true
		}
		if len(boots) > 2 { // what is above the average goes elsewhere
			t.Errorf("shard %d boots %v", k+1, slices.Sorted(maps.Keys(boots)))
		}
	}
}

// TestAssignIsForEver: shards of one plan that were run by two versions of this program
// still fit together.
func TestAssignIsForEver(t *testing.T) {
	f := &File{Kernels: []Kernel{{Kernel: "a", Seconds: 5}, {Kernel: "b", Seconds: 5}}}
	for i, s := range []float64{3, 1, 4, 1, 5, 9, 2, 6} {
		f.Guests = append(f.Guests, Guest{Seconds: s, Guest: matrix.Guest{Kernel: string("ab"[i%2])}})
	}
	if got, want := f.Assign(3), []int{2, 0, 2, 0, 2, 0, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("shards %v, want %v", got, want)
	}
}

// TestPart: the parts of a plan are the plan, and each has the kernels that it boots.
func TestPart(t *testing.T) {
	p := mustPlan(t, two)
	f := mustFile(t, p)
	guests, digests := 0, map[string]bool{}
	for k := 1; k <= 5; k++ {
		part := f.Part(p, Shard{k, 5})
		guests += len(part.Guests)
		digests[part.Digest()] = true
		if !slices.Equal(part.Probes, p.Probes) {
			t.Error("a part has other probes, so its guest program would be another")
		}
		for _, b := range part.Builds {
			if !slices.ContainsFunc(part.Guests, func(g matrix.Guest) bool { return g.Kernel == b.Kernel.Name && g.Arch == b.Arch.Name }) {
				t.Errorf("part %d has kernel %s %s and no guest of it", k, b.Kernel.Name, b.Arch.Name)
			}
		}
		for _, g := range part.Guests {
			if !slices.ContainsFunc(part.Builds, func(b plan.Build) bool { return g.Kernel == b.Kernel.Name && g.Arch == b.Arch.Name }) {
				t.Errorf("part %d has %s and not its kernel", k, g.ID())
			}
		}
	}
	if guests != len(p.Guests) || len(digests) != 5 || len(p.Builds) != 4 {
		t.Errorf("%d of %d guests, %d digests, %d kernels", guests, len(p.Guests), len(digests), len(p.Builds))
	}
}
