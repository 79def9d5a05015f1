package replication_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tqtest"
)

// holdFolder in the environment makes the test binary a process that has the
// store in that folder open until its input ends.
const holdFolder = "TQGEN_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdFolder); dir != "" {
		hold(dir)
		return
	}
	os.Exit(m.Run())
}

func hold(dir string) {
	_, err := replication.OpenFileCheckpoints(dir)
	fmt.Println(err)
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

func TestMemoryCheckpoints(t *testing.T) {
	t.Parallel()
	tqtest.RunCheckpointStore(t, func(testing.TB) tqtest.Checkpoints {
		store := new(replication.MemoryCheckpoints)

		return func(testing.TB) replication.CheckpointStore { return store }
	})
}

func openFiles(t testing.TB, dir string) *replication.FileCheckpoints {
	t.Helper()
	store, err := replication.OpenFileCheckpoints(dir)
	if err != nil {
		t.Fatal(err)
	}

	return store
}

func TestFileCheckpoints(t *testing.T) {
	t.Parallel()
	tqtest.RunCheckpointStore(t, func(t testing.TB) tqtest.Checkpoints {
		dir := filepath.Join(t.TempDir(), "checkpoints")

		return func(t testing.TB) replication.CheckpointStore { return openFiles(t, dir) }
	})
}

// TestTornCheckpoint is invariant 29 for checkpoints: one that is cut off
// anywhere, or has a byte changed, is never taken for a checkpoint.
func TestTornCheckpoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := openFiles(t, dir)
	defer store.Close()
	if err := store.Save(t.Context(), replication.Checkpoint{Stream: "s", Position: 41, Revision: 1}, 0); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.checkpoint"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("files are %v, %v", paths, err)
	}
	whole, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(paths[0], content, 0o600); err != nil {
			t.Fatal(err)
		}
		var corrupt *replication.CorruptError
		c, err := store.Load(t.Context(), "s")
		if !errors.As(err, &corrupt) || !errors.Is(err, replication.ErrCorrupt) || corrupt.Path != paths[0] {
			t.Errorf("%q is read as %+v, %v", content, c, err)
		}
		if err := store.Save(t.Context(), replication.Checkpoint{Stream: "s", Revision: 2}, 1); !errors.Is(err, replication.ErrCorrupt) {
			t.Errorf("saving over %q gives %v", content, err)
		}
	}
	for n := range whole {
		damaged(whole[:n])
		flipped := append([]byte(nil), whole...)
		flipped[n] ^= 0x20
		damaged(flipped)
	}
	damaged(append(whole, '\n'))
}

// TestUnfinishedCheckpoint holds that a writer that died leaves the old
// checkpoint, and nothing for ever, whatever the folder is called.
func TestUnfinishedCheckpoint(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain", "[ab]", "a[b", `*`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testUnfinished(t, filepath.Join(t.TempDir(), name))
		})
	}
}

func testUnfinished(t *testing.T, dir string) {
	t.Helper()
	store := openFiles(t, dir)
	if err := store.Save(t.Context(), replication.Checkpoint{Stream: "s", Position: 41, Revision: 1}, 0); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, "new-1.tmp")
	if err := os.WriteFile(left, []byte("tqgen-check"), 0o600); err != nil {
		t.Fatal(err)
	}
	store = openFiles(t, dir)
	defer store.Close()
	if c, err := store.Load(t.Context(), "s"); err != nil || c.Position != 41 {
		t.Errorf("loaded %+v, %v", c, err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished file is still there: %v", err)
	}
}

// TestSecondProcess is invariant 23 for processes: the folder is one process's,
// until it closes it or dies.
func TestSecondProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := openFiles(t, dir)
	if _, err := replication.OpenFileCheckpoints(dir); !errors.Is(err, replication.ErrLocked) {
		t.Errorf("opening it twice gives %v", err)
	}
	if said, end := holder(t, dir); !strings.Contains(said, replication.ErrLocked.Error()) {
		t.Errorf("another process opens it, too: %s", said)
	} else {
		end()
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(t.Context(), "s"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed store gives %v", err)
	}

	said, kill := holder(t, dir)
	if said != "<nil>\n" {
		t.Errorf("another process cannot open it: %s", said)
	}
	if _, err := replication.OpenFileCheckpoints(dir); !errors.Is(err, replication.ErrLocked) {
		t.Errorf("opening what another process has gives %v", err)
	}
	kill()
	if err := openFiles(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
}

// holder starts a process that opens the store in dir, and gives what it says
// and a way to kill it.
func holder(t *testing.T, dir string) (said string, kill func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), holdFolder+"="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if said, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}

	return said, func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = in.Close()
	}
}
