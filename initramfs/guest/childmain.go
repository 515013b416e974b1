package main

import (
	"context"
	"fmt"
	"io"
	"os"
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

// resultFD is where a child's result goes.
const resultFD = 3

// maxJob bounds a child's job, in bytes.
const maxJob = 4 << 10

// A job is what a probe's child is told to do.
type job struct {
	probe string
	left  time.Duration // until the probe should give up and undo
	env   scenarios.Env
}

// jobEnd ends a job's text. That the pipe is closed after it means: go on.
const jobEnd = "\n.\n"

// String is the job as it goes to the child: a line a field.
func (j job) String() string {
	head := j.probe + "\n" + strconv.FormatInt(int64(j.left), 10) + "\n"
	return head + j.env.Setting.String() + "\n" + string(j.env.Interface) + jobEnd
}

func parseJob(text string) (j job, err error) {
	f := strings.Split(strings.TrimSuffix(text, jobEnd), "\n")
	if len(f) != 4 {
		return j, fmt.Errorf("parse job: got %d fields, want 4", len(f))
	}
	j.probe, j.env.Interface = f[0], lockdown.Interface(f[3])
	ns, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return j, fmt.Errorf("parse deadline: %w", err)
	}
	j.left = time.Duration(ns)
	if j.env.Setting, err = lockdown.ParseSetting(f[2]); err != nil {
		return j, fmt.Errorf("parse setting: %w", err)
	}
	return j, nil
}

// childMain is the life of a probe's child, which is to be known as comm: one
// job from in, one result on fd. To greet is to say with one byte that it is up;
// where its probe has something to do before the lock, a byte says that this is
// done.
func childMain(comm string, greet bool, in io.Reader, fd int, find func(string) (scenarios.Row, bool)) int {
	unix.CloseOnExec(fd)
	out := pipe(fd)
	var err error
	if greet {
		_, err = out.Write([]byte{'\n'})
	}
	if err == nil {
		r := guestproto.Result(runJob(comm, in, out, find))
		err = vport.Write(out, &r)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "send result: %v\n", err)
		return 1
	}
	return 0
}

// readJob reads up to the end of a job's text, and no further.
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

func runJob(comm string, in io.Reader, out io.Writer, find func(string) (scenarios.Row, bool)) scenarios.Result {
	text, err := readJob(in)
	if err != nil {
		return failed(fmt.Sprintf("read job: %v", err))
	}
	j, err := parseJob(string(text))
	if err != nil {
		return failed(err.Error())
	}
	row, ok := find(j.probe)
	if !ok {
		return failed(fmt.Sprintf("unknown probe %q", j.probe))
	}
	// The kernel named every thread after the path of the exec; if it did
	// not, a denial could not be told to be ours.
	if got, err := threadName(); err != nil || got != comm {
		return failed(fmt.Sprintf("child is named %q, not %q (%v)", got, comm, err))
	}
	run := func(ctx context.Context) scenarios.Result { return row.Act(ctx, j.env) }
	if row.Setup != nil {
		rest, r := beforehand(row, j)
		if _, err := out.Write([]byte{'\n'}); err != nil {
			return failed(fmt.Sprintf("say that it is prepared: %v", err))
		}
		if _, err := io.Copy(io.Discard, in); err != nil {
			return failed(fmt.Sprintf("wait for the lock: %v", err))
		}
		if rest == nil {
			return r
		}
		run = rest
	}
	return run(within(j.left))
}

// threadName is the comm of this thread.
func threadName() (string, error) {
	var name [16]byte // TASK_COMM_LEN
	err := unix.Prctl(unix.PR_GET_NAME, uintptr(unsafe.Pointer(&name)), 0, 0, 0)
	return unix.ByteSliceToString(name[:]), err
}

func beforehand(row scenarios.Row, j job) (rest func(context.Context) scenarios.Result, r scenarios.Result) {
	return row.Setup(within(j.left), j.env)
}

// A deadline is context.WithTimeout without its timer, which most probes never
// look at: to start and stop it takes more than they do.
type deadline struct {
	context.Context
	at   time.Time
	done func() <-chan struct{}
}

// within is a context for the time from now, which ends by its deadline only.
func within(left time.Duration) context.Context {
	d := deadline{Context: context.Background(), at: time.Now().Add(left)}
	d.done = sync.OnceValue(func() <-chan struct{} {
		ctx, cancel := context.WithDeadline(d.Context, d.at)
		context.AfterFunc(ctx, cancel) // the process ends before or with it
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

// failed is the result of a probe that proves nothing.
func failed(why string) scenarios.Result {
	return scenarios.Result{Outcome: scenarios.Failed, Why: why}
}
