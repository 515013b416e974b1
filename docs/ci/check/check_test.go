// Package check holds the jobs in docs/ci against the engines' own definitions. It is a
// module of its own, because these bring many modules that the lab does not need.
package check

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/rhysd/actionlint"
	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func lint(t *testing.T, text []byte) []*actionlint.Error {
	t.Helper()
	l, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	errs, err := l.Lint("github.yml", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return errs
}

// TestGitHub lints the workflow, and one with a mistake.
func TestGitHub(t *testing.T) {
	text := read(t, "github.yml")
	for _, e := range lint(t, text) {
		t.Error(e)
	}
	for _, broken := range [][2]string{{"matrix.shard }}/", "matrix.sard }}/"}, {"needs: plan", "needs: plane"}, {"fail-fast", "failfast"}} {
		if len(lint(t, bytes.Replace(text, []byte(broken[0]), []byte(broken[1]), 1))) == 0 {
			t.Errorf("%s: no error", broken[1])
		}
	}
}

// decode is what the API's server does if it validates fields strictly.
func decode(text []byte, into any) error {
	text, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return err
	}
	unknown, err := json.UnmarshalStrict(text, into)
	return errors.Join(append(unknown, err)...)
}

// TestKubernetes decodes the job strictly: a field that the API does not have is an
// error. What the types cannot express follows from their comments
// (JobSpec.BackoffLimitPerIndex, k8s.io/api v0.37).
func TestKubernetes(t *testing.T) {
	text := read(t, "k8s.yaml")
	var job batchv1.Job
	if err := decode(text, &job); err != nil {
		t.Fatal(err)
	}
	if job.APIVersion != "batch/v1" || job.Kind != "Job" || job.Name == "" {
		t.Errorf("%s %s %q", job.APIVersion, job.Kind, job.Name)
	}
	spec := job.Spec
	if spec.CompletionMode == nil || *spec.CompletionMode != batchv1.IndexedCompletion || spec.Completions == nil || spec.Parallelism == nil || spec.BackoffLimitPerIndex == nil {
		t.Error("it is no Indexed Job with a limit for each index")
	}
	pod := spec.Template.Spec
	if pod.RestartPolicy != "Never" {
		t.Errorf("backoffLimitPerIndex needs restartPolicy Never, not %s", pod.RestartPolicy)
	}
	for _, c := range pod.Containers {
		for _, m := range c.VolumeMounts {
			there := false
			for _, v := range pod.Volumes {
				there = there || v.Name == m.Name
			}
			if !there {
				t.Errorf("no volume %s", m.Name)
			}
		}
		for name, limit := range c.Resources.Limits {
			if request := c.Resources.Requests[name]; request.Cmp(limit) > 0 {
				t.Errorf("%s: more requested than allowed", name)
			}
		}
	}
	for _, field := range []string{"completionmode", "completionModes"} {
		if err := decode(bytes.Replace(text, []byte("completionMode"), []byte(field), 1), &job); err == nil {
			t.Errorf("%s: no error", field)
		}
	}
}
