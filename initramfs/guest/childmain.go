package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// resultFD is the descriptor that a child writes its result to.
const resultFD = 3

// maxJob bounds a child's job, in bytes.
const maxJob = 64 << 10

// A job is a probe and what it needs to run.
type job struct {
	probe string
	left  time.Duration // until the contexts of Setup and of Act end
	env   scenarios.Env
	task  task
}

// A task is what a child does with its probe.
type task string

const (
	taskAct     task = "act"       // the act
	taskActVary task = "act, vary" // the act, and its variants when the job's pipe is closed
	taskVary    task = "vary"      // the variants alone, when the job's pipe is closed

	// The variants in other namespaces, at once; another job may follow.
	taskElsewhere task = "elsewhere"
)

// jobEnd ends a job's text. The pipe is closed when the child may act.
const jobEnd = "\n.\n"

// String is the text that the child reads: one line for each field.
func (j job) String() string {
	head := j.probe + "\n" + strconv.FormatInt(int64(j.left), 10) + "\n"
	head += j.env.Setting.String() + "\n" + string(j.env.Interface) + "\n" + string(j.task)
	if len(j.env.Steps) > 0 {
		var b bytes.Buffer
		_ = vport.Write(&b, (*guestproto.Steps)(&j.env.Steps)) // a request with more is refused
		head += "\n" + strconv.Quote(b.String())
	}
	return head + jobEnd
}

func parseJob(text string) (j job, err error) {
	f := strings.Split(strings.TrimSuffix(text, jobEnd), "\n")
	if len(f) != 5 && len(f) != 6 {
		return j, fmt.Errorf("parse job: got %d fields, want 5 or 6", len(f))
	}
	j.probe, j.env.Interface, j.task = f[0], lockdown.Interface(f[3]), task(f[4])
	ns, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return j, fmt.Errorf("parse deadline: %w", err)
	}
	j.left = time.Duration(ns)
	if j.env.Setting, err = lockdown.ParseSetting(f[2]); err != nil {
		return j, fmt.Errorf("parse setting: %w", err)
	}
	if len(f) == 6 {
		steps, err := strconv.Unquote(f[5])
		if err == nil {
			err = vport.Read(strings.NewReader(steps), (*guestproto.Steps)(&j.env.Steps))
		}
		if err != nil {
			return j, fmt.Errorf("parse steps: %w", err)
		}
	}
	return j, nil
}

// childMain runs one probe in a child process named comm: it reads one job from
// in and writes one result to fd for the act, and one for the variants. If
// signalReady is set it first writes a byte to report that it is ready. If the
// probe has a Setup, it writes another byte when Setup has finished. It returns
// the exit status.
func childMain(ctx context.Context, comm string, signalReady bool, in io.Reader, fd int, find func(string) (scenarios.Row, bool)) int {
	unix.CloseOnExec(fd)
	out := pipe(fd)
	var err error
	if signalReady {
		_, err = out.Write([]byte{'\n'})
	}
	if err == nil {
		err = runJob(ctx, comm, in, out, find)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "send result: %v\n", err)
		return 1
	}
	return 0
}

// readJob reads a job's text, up to its end.
func readJob(in io.Reader) (string, error) {
	var text []byte
	for len(text) < maxJob && !strings.HasSuffix(string(text), jobEnd) {
		b := make([]byte, 512)
		n, err := in.Read(b)
		text = append(text, b[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
	}
	return string(text), nil
}

// runJob reads a job and writes what its task asks for. A job that cannot be
// run has a failed report.
func runJob(ctx context.Context, comm string, in io.Reader, out io.Writer, find func(string) (scenarios.Row, bool)) error {
	j, row, err := takeJob(comm, in, find)
	send := func(r scenarios.Report) error { return vport.Write(out, (*guestproto.Report)(&r)) }
	if err != nil {
		return send(failed(err.Error()))
	}
	if j.task == taskElsewhere {
		return runElsewhere(ctx, comm, j, row, in, out, find)
	}
	if j.task != taskVary {
		if err := send(act(ctx, j, row, in, out)); err != nil || j.task == taskAct {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return fmt.Errorf("wait until the variants may run: %w", err)
	}
	return vport.Write(out, &guestproto.Varied{Probe: j.probe, Variants: row.Vary(within(ctx, j.left), j.env)})
}

// runElsewhere runs the variants of one probe after another in a process that has
// namespaces of its own, until PID 1 kills it. It lives long enough to collect
// garbage.
func runElsewhere(ctx context.Context, comm string, j job, row scenarios.Row, in io.Reader, out io.Writer, find func(string) (scenarios.Row, bool)) (err error) {
	debug.SetGCPercent(100)
	for err == nil {
		err = vport.Write(out, &guestproto.Varied{Probe: j.probe, Variants: row.VaryElsewhere(within(ctx, j.left), j.env)})
		if err == nil {
			j, row, err = takeJob(comm, in, find)
		}
	}
	return err
}

// takeJob reads a job and finds its probe.
func takeJob(comm string, in io.Reader, find func(string) (scenarios.Row, bool)) (j job, row scenarios.Row, err error) {
	text, err := readJob(in)
	if err != nil {
		return j, row, fmt.Errorf("read job: %w", err)
	}
	if j, err = parseJob(text); err != nil {
		return j, row, err
	}
	row, ok := find(j.probe)
	if !ok {
		return j, row, fmt.Errorf("unknown probe %q", j.probe)
	}
	// Denials are attributed by the comm, which exec takes from the path.
	if got, err := threadName(); err != nil || got != comm {
		return j, row, fmt.Errorf("child is named %q, not %q (%v)", got, comm, err)
	}
	return j, row, nil
}

// act runs the probe of a job. If it has a Setup, the other half runs when in is
// closed.
func act(ctx context.Context, j job, row scenarios.Row, in io.Reader, out io.Writer) scenarios.Report {
	if row.Setup == nil {
		return row.Do(within(ctx, j.left), j.env)
	}
	rest, r := row.Setup(within(ctx, j.left), j.env)
	if _, err := out.Write([]byte{'\n'}); err != nil {
		return failed(fmt.Sprintf("report end of setup: %v", err))
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return failed(fmt.Sprintf("wait for the lock: %v", err))
	}
	if rest == nil {
		return r
	}
	return rest(within(ctx, j.left))
}

// threadName returns the comm of this thread.
func threadName() (string, error) {
	var name [16]byte // TASK_COMM_LEN
	err := unix.Prctl(unix.PR_GET_NAME, uintptr(unsafe.Pointer(&name)), 0, 0, 0)
	return unix.ByteSliceToString(name[:]), err
}

// A deadline is context.WithTimeout without a timer until Done is called. Most
// probes do not call it, and the timer takes longer than they do.
type deadline struct {
	context.Context
	at   time.Time
	done func() <-chan struct{}
}

// within returns a context that ends after the given time from now. It does not
// end with its parent.
func within(ctx context.Context, left time.Duration) context.Context {
	d := deadline{Context: context.WithoutCancel(ctx), at: time.Now().Add(left)}
	d.done = sync.OnceValue(func() <-chan struct{} {
		ctx, cancel := context.WithDeadline(d.Context, d.at)
		context.AfterFunc(ctx, cancel) // frees the timer
		return ctx.Done()
	})
	return d
}

func (d deadline) Deadline() (time.Time, bool) { return d.at, true }
func (d deadline) Done() <-chan struct{}       { return d.done() }

func (d deadline) Err() error {
	if time.Now().Before(d.at) {
		return nil
	}
	return context.DeadlineExceeded
}

// failed is the result of a run that proves nothing.
func failed(why string) scenarios.Report {
	return scenarios.Report{Outcome: scenarios.Failed, Why: why}
}
