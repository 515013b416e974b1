package fleet

import (
	"fmt"
	"os"
)

// CountEnv gives the number of shards where an engine does not: in Indexed Jobs of
// Kubernetes. If the engine gives one, too, they must agree.
const CountEnv = "LDLAB_SHARDS"

// A starter is something that starts shards and tells each of them by its environment
// which one it is.
type starter struct {
	name  string
	index string // variable with the shard's number
	first string // variable with the number of the first shard; empty: it is base
	base  int
	step  string // variable with the distance between two numbers; empty: it is 1
	count string // variable with the number of shards; empty: the engine has none
}

// starters lists them in the order in which they are looked for. Slurm's array comes
// first, because a CI may have started the script that submits it.
var starters = []starter{
	// sbatch(1), "OUTPUT ENVIRONMENT VARIABLES"
	{name: "a Slurm array", index: "SLURM_ARRAY_TASK_ID", first: "SLURM_ARRAY_TASK_MIN", step: "SLURM_ARRAY_TASK_STEP", count: "SLURM_ARRAY_TASK_COUNT"},
	// bazel.build/reference/test-encyclopedia, "Test sharding"
	{name: "Bazel", index: "TEST_SHARD_INDEX", count: "TEST_TOTAL_SHARDS"},
	// docs.gitlab.com/ci/yaml, "parallel"
	{name: "GitLab", index: "CI_NODE_INDEX", base: 1, count: "CI_NODE_TOTAL"},
	// buildkite.com/docs/pipelines/configure/environment-variables
	{name: "Buildkite", index: "BUILDKITE_PARALLEL_JOB", count: "BUILDKITE_PARALLEL_JOB_COUNT"},
	// kubernetes.io/docs/concepts/workloads/controllers/job, "Completion mode"
	{name: "a Kubernetes Indexed Job", index: "JOB_COMPLETION_INDEX"},
}

// bazelStatus is the variable with the file that a test of Bazel touches to show that
// it knows of shards.
const bazelStatus = "TEST_SHARD_STATUS_FILE"

// ShardFromEnv finds out from the environment which shard an engine wants. from names the
// variable that decided, because a message tells the user; it is empty if no engine is
// there, and the shard is then the whole plan. Errors are a *plan.UsageError.
func ShardFromEnv(getenv func(string) string) (s Shard, from string, err error) {
	for _, e := range starters {
		if getenv(e.index) == "" {
			continue
		}
		s, err := e.shard(getenv)
		if err == nil {
			err = s.check(e.index)
		}
		return s, e.index, err
	}
	if getenv(CountEnv) != "" {
		return Shard{}, "", usagef("%s is set, and no variable with the shard's number, such as JOB_COMPLETION_INDEX: give --shard K/N", CountEnv)
	}
	return Shard{1, 1}, "", nil
}

func (e starter) shard(getenv func(string) string) (s Shard, err error) {
	read := func(name string, otherwise int) int {
		if err != nil || name == "" || getenv(name) == "" {
			return otherwise
		}
		var n int
		n, err = number(name, getenv(name))
		return n
	}
	given := read(CountEnv, 0)
	s.N = read(e.count, given)
	index, first, step := read(e.index, 0), read(e.first, e.base), read(e.step, 1)
	switch {
	case err != nil:
		return s, err
	case s.N == 0 && e.count == "":
		return s, usagef("%s is set, and %s has no variable with the number of shards: set %s, or give --shard K/N", e.index, e.name, CountEnv)
	case s.N == 0 && getenv(e.count) == "":
		return s, usagef("%s is set, and %s is not: give --shard K/N", e.index, e.count)
	case given != 0 && given != s.N:
		return s, usagef("%s is %d, and %s is %d: give --shard K/N", e.count, s.N, CountEnv, given)
	case e.first != "" && given == 0 && step == 1 && first > 1:
		return s, usagef("%s is %d: the array may be a part of another, whose shards these are; give --shard K/N, or set %s to %d if it is whole", e.first, first, CountEnv, s.N)
	case index < first || step < 1 || (index-first)%step != 0:
		return s, usagef("%s is %d, which is no shard of %s that begins with %d in steps of %d", e.index, index, e.name, first, step)
	}
	s.K = (index-first)/step + 1
	return s, nil
}

// Acknowledge touches the file by which a test of Bazel shows that it knows of shards.
func Acknowledge(getenv func(string) string) error {
	name := getenv(bazelStatus)
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("touch %s: %w", bazelStatus, err)
	}
	return f.Close()
}
