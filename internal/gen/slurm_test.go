package gen

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
)

// slurmSelection are nine guests of a few seconds each.
var slurmSelection = []string{
	"--kernel", "bitmap", "--arch", "x86_64", "--scenario", "devmem,kexec,msr,ioport,tracefs,securityfs,debugfs",
	"--setting", "none", "--setting", "integrity@boot", "--setting", "confidentiality@boot", "--setting", "dev_mem@boot", "--setting", "kexec@boot",
	"--setting", "integrity@runtime", "--setting", "confidentiality@runtime", "--setting", "msr@runtime", "--setting", "tracefs@runtime",
}

// TestSlurmForReal runs a plan in three tasks of a Slurm array on this machine. The
// second task is killed while it has some of its results. Slurm starts it again, it
// keeps what it has, and the merge of all three has the cells of the run in one piece.
func TestSlurmForReal(t *testing.T) {
	if os.Getenv("LDLAB_SLURM") == "" {
		t.Skip("LDLAB_SLURM is not set: make nightly runs this test")
	}
	l := newLab(t)
	l.run("plan", append([]string{"-o", "plan.json"}, slurmSelection...)...)
	l.run("bundle", "-o", "ldlab.tar.zst", "plan.json")
	began := time.Now()
	l.run("run", "--bundle", "ldlab.tar.zst", "--out", "whole")
	t.Logf("in one piece: %.1f s", time.Since(began).Seconds())

	c := startCluster(t, l.dir)
	if err := os.WriteFile(filepath.Join(l.dir, "slurm.sh"), []byte(write(t, "slurm", Job{Shards: 3, Selection: slurmSelection})), 0o755); err != nil {
		t.Fatal(err)
	}
	job := strings.Fields(c.command("sbatch", "--parsable", "slurm.sh"))[0]
	kept := l.killWithResults("shard-2", 3*time.Minute)
	c.wait(job, 8*time.Minute)
	for k := 1; k <= 3; k++ {
		log, _ := os.ReadFile(filepath.Join(l.dir, fmt.Sprintf("shard-%d.log", k)))
		t.Logf("shard %d:\n%s", k, log)
	}
	after, err := os.ReadFile(filepath.Join(l.dir, "shard-2", results.File))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range kept {
		if !bytes.Contains(after, line) {
			t.Error("the task that was killed measured a guest again that it had")
		}
	}
	l.run("merge", "-o", "merged", "shard-3", "shard-1", "shard-2")
	l.run("merge", "-o", "one", "whole")
	if got, want := l.cells("merged"), l.cells("one"); !reflect.DeepEqual(got, want) {
		for id, cell := range want {
			if got[id] != cell {
				t.Errorf("%s: %q merged, %q in one piece", id, got[id], cell)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d cells merged, %d in one piece", len(got), len(want))
		}
	}
}

// A lab is a directory with the program.
type lab struct {
	t   *testing.T
	dir string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t, t.TempDir()}
	build := exec.Command("go", "build", "-o", filepath.Join(l.dir, "ldlab"), "./cmd/ldlab")
	build.Dir, build.Env = filepath.Join("..", ".."), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return l
}

func (l *lab) run(verb string, args ...string) {
	l.t.Helper()
	c := exec.Command("./ldlab", append([]string{verb}, args...)...)
	c.Dir = l.dir
	// Slurm's variables of a job that this test may run in select no shard here.
	c.Env = append(os.Environ(), "SLURM_ARRAY_TASK_ID=")
	if out, err := c.CombinedOutput(); err != nil {
		l.t.Fatalf("ldlab %s: %v\n%s", verb, err, out)
	}
}

// killWithResults kills the task that writes to dir when it has some of its results,
// and returns their lines.
func (l *lab) killWithResults(dir string, limit time.Duration) [][]byte {
	l.t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		text, _ := os.ReadFile(filepath.Join(l.dir, dir, results.File))
		lines := bytes.SplitAfter(text, []byte("\n"))
		if len(lines) < 3 { // the header, a result, and what follows the last newline
			continue
		}
		if pid := l.process(dir); pid != 0 {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				l.t.Fatal(err)
			}
			l.t.Logf("killed process %d of %s, which had %d results", pid, dir, len(lines)-2)
			return lines[1 : len(lines)-1]
		}
	}
	l.t.Fatalf("%s never had some of its results", dir)
	return nil
}

// process finds the ldlab of this test that writes to dir; 0: there is none.
func (l *lab) process(dir string) int {
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, p := range procs {
		exe, err := os.Readlink(filepath.Join(p, "exe"))
		if err != nil || exe != filepath.Join(l.dir, "ldlab") {
			continue
		}
		args, err := os.ReadFile(filepath.Join(p, "cmdline"))
		if err == nil && bytes.HasSuffix(args, []byte("\x00--out\x00"+dir+"\x00")) {
			pid, _ := strconv.Atoi(filepath.Base(p))
			return pid
		}
	}
	return 0
}

// cells are the verdicts of a run with all that they follow from, but for times and
// machines.
func (l *lab) cells(dir string) map[string]string {
	l.t.Helper()
	set, err := results.Load(filepath.Join(l.dir, dir))
	if err != nil {
		l.t.Fatal(err)
	}
	m, err := set.Matrix()
	if err != nil {
		l.t.Fatal(err)
	}
	cells := map[string]string{}
	for _, table := range m.Tables {
		for _, row := range table.Rows {
			for i, c := range row.Cells {
				column := table.Columns[i]
				text := fmt.Sprintf("%s by rule %s", c.Verdict, c.Rule)
				if o := c.Observed; o != nil {
					text += fmt.Sprintf(", %s %s, %d variants, %s", o.Outcome, o.Errno, len(o.Variants), column.Host.QEMU)
				}
				cells[strings.Join([]string{table.Kernel, table.Arch, column.Setting.String(), row.Probe}, " ")] = text
			}
		}
	}
	if m.Count()[matrix.Enforced] == 0 || !m.AsExpected() {
		l.t.Errorf("%s is not as expected: %v", dir, m.Count())
	}
	return cells
}

// A cluster is Slurm on this machine.
type cluster struct {
	t         *testing.T
	dir, conf string
}

// startCluster starts Slurm with one node, in a directory of its own. It ends with the
// test.
func startCluster(t *testing.T, dir string) *cluster {
	t.Helper()
	for _, program := range []string{"munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: apt-get install slurm-wlm munge", err)
		}
	}
	own := t.TempDir() // with a short name for the socket
	c := &cluster{t, dir, filepath.Join(own, "slurm.conf")}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ = strings.Cut(host, ".")
	conf := fmt.Sprintf(`ClusterName=ldlab
SlurmctldHost=%[1]s(127.0.0.1)
SlurmctldPort=%[3]d
SlurmdPort=%[4]d
AuthType=auth/munge
AuthInfo=socket=%[2]s/munge.socket,cred_expire=10
SlurmUser=%[6]s
SlurmdUser=%[6]s
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
StateSaveLocation=%[2]s/state
SlurmdSpoolDir=%[2]s/spool
SlurmctldPidFile=%[2]s/slurmctld.pid
SlurmdPidFile=%[2]s/slurmd.pid
SlurmctldLogFile=%[2]s/slurmctld.log
SlurmdLogFile=%[2]s/slurmd.log
MpiDefault=none
ReturnToService=2
JobRequeue=1
NodeName=%[1]s NodeAddr=127.0.0.1 CPUs=2 RealMemory=%[5]d State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`, host, own, freePort(t), freePort(t), 6200, userName(t))
	key := make([]byte, 128)
	rand.Read(key)
	for name, text := range map[string][]byte{"slurm.conf": []byte(conf), "munge.key": key} {
		if err := os.WriteFile(filepath.Join(own, name), text, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"state", "spool"} {
		if err := os.Mkdir(filepath.Join(own, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := func(name string) string { return filepath.Join(own, name) }
	c.daemon("munged", "--force", "--foreground", "--key-file="+file("munge.key"), "--socket="+file("munge.socket"),
		"--pid-file="+file("munge.pid"), "--log-file="+file("munge.log"), "--seed-file="+file("munge.seed"))
	c.until("munge's socket", func() bool { _, err := os.Stat(file("munge.socket")); return err == nil })
	c.daemon("slurmctld", "-D")
	c.daemon("slurmd", "-D")
	c.until("an idle node", func() bool {
		out, err := c.cmd("sinfo", "-h", "-o", "%T").Output()
		return err == nil && strings.TrimSpace(string(out)) == "idle"
	})
	return c
}

func userName(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("id", "-un").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (c *cluster) cmd(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), "SLURM_CONF="+c.conf)
	return cmd
}

func (c *cluster) command(name string, args ...string) string {
	c.t.Helper()
	out, err := c.cmd(name, args...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func (c *cluster) daemon(name string, args ...string) {
	c.t.Helper()
	cmd := c.cmd(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		if c.t.Failed() {
			c.t.Logf("%s: %s", name, out.Bytes()[max(0, out.Len()-4000):])
		}
	})
}

func (c *cluster) until(what string, there func() bool) {
	c.t.Helper()
	for range 300 {
		if there() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Fatalf("waited 30 s for %s", what)
}

// wait waits until no task of the job is left.
func (c *cluster) wait(job string, limit time.Duration) {
	c.t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(time.Second) {
		out, err := c.cmd("squeue", "-h", "-j", job).Output()
		if err != nil || len(bytes.TrimSpace(out)) == 0 { // a job that has ended may be forgotten
			return
		}
	}
	c.t.Fatalf("job %s has not ended:\n%s", job, c.command("squeue"))
}
