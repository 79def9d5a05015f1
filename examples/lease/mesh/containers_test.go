package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// repository is the root of it.
const repository = "../../.."

// compose is what is looked at of a compose file.
type compose struct {
	Services map[string]service `yaml:"services"`
	Volumes  map[string]any     `yaml:"volumes"`
}

type service struct {
	Image string `yaml:"image"`
	Build struct {
		Context    string `yaml:"context"`
		Dockerfile string `yaml:"dockerfile"`
	} `yaml:"build"`
	Command     []string `yaml:"command"`
	Entrypoint  []string `yaml:"entrypoint"`
	Volumes     []string `yaml:"volumes"`
	Ports       []string `yaml:"ports"`
	DependsOn   []string `yaml:"depends_on"`
	Profiles    []string `yaml:"profiles"`
	Healthcheck struct {
		Test []string `yaml:"test"`
	} `yaml:"healthcheck"`
}

func readCompose(t *testing.T) compose {
	t.Helper()
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}

	return c
}

// instruction is one of a Dockerfile.
type instruction struct{ word, text string }

func readDockerfile(t *testing.T) []instruction {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var all []instruction
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\\\n", " "), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if word, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			all = append(all, instruction{word, strings.TrimSpace(rest)})
		}
	}

	return all
}

// TestDockerfile: images that anybody can pull, sources that are there, and the
// very commands of the build, run in a folder with what is copied and nothing
// else.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	src, out := filepath.Join(root, "src"), filepath.Join(root, "out")
	for _, dir := range []string{src, out} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	bases := []string{"golang:1.26 AS build", "gcr.io/distroless/static-debian12:nonroot"}
	var from, entrypoint, copied []string
	for _, i := range readDockerfile(t) {
		switch i.word {
		case "FROM":
			from = append(from, i.text)
		case "COPY":
			if produced, ok := strings.CutPrefix(i.text, "--from=build "); ok {
				copied = append(copied, produced)
				continue
			}
			copyInto(t, src, strings.Fields(i.text))
		case "RUN":
			build := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(i.text, "/out/", out+"/"))
			build.Dir, build.Env = src, append(os.Environ(), "GOWORK=off")
			if text, err := build.CombinedOutput(); err != nil {
				t.Fatalf("RUN %s: %v\n%s", i.text, err, text)
			}
		case "ENTRYPOINT":
			if err := json.Unmarshal([]byte(i.text), &entrypoint); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff(bases, from); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	want := []string{"/out/mesh /mesh", "--chown=nonroot:nonroot /out/state /state"}
	if diff := cmp.Diff(want, copied); diff != "" {
		t.Errorf("what is copied from the build (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/mesh"}, entrypoint); diff != "" {
		t.Errorf("entrypoint (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(filepath.Join(out, "state")); err != nil || !info.IsDir() {
		t.Errorf("state: %v", err)
	}
	if text, err := exec.CommandContext(t.Context(), filepath.Join(out, "mesh"), "-h").CombinedOutput(); err != nil {
		t.Errorf("mesh -h: %v\n%s", err, text)
	}
}

// copyInto copies from the repository as COPY does.
func copyInto(t *testing.T, src string, paths []string) {
	t.Helper()
	to := paths[len(paths)-1]
	for _, from := range paths[:len(paths)-1] {
		target := filepath.Join(src, to)
		info, err := os.Stat(filepath.Join(repository, from))
		if err != nil {
			t.Fatalf("COPY %s: %v", from, err)
		}
		if !info.IsDir() {
			copyFile(t, filepath.Join(repository, from), filepath.Join(target, path.Base(from)))
			continue
		}
		all := os.DirFS(filepath.Join(repository, from))
		if err := fs.WalkDir(all, ".", func(name string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				copyFile(t, filepath.Join(repository, from, name), filepath.Join(target, name))
			}

			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o700)
	}
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestCompose starts what the compose file starts, with the commands it has,
// each service at an address of its own, and sees that tasks become mails. Then
// it kills a node, as an engine may.
func TestCompose(t *testing.T) {
	c := readCompose(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	built := c.Services["gateway"].Build
	if path.Join(built.Context, built.Dockerfile) != path.Join(repository, "examples/lease/mesh/Dockerfile") {
		t.Errorf("built from %+v", built)
	}
	if _, ok := c.Volumes["state"]; !ok {
		t.Error("there is no volume for the state")
	}
	e := newEngine(t)
	for name, s := range c.Services {
		if s.Image != "tqgen-mesh" || len(s.Entrypoint) > 0 {
			t.Errorf("%s: image %q, entrypoint %q", name, s.Image, s.Entrypoint)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to the network, where everybody may drain the queue", name, p)
			}
		}
		for _, on := range s.DependsOn {
			if _, ok := c.Services[on]; !ok {
				t.Errorf("%s depends on %s, which is not there", name, on)
			}
		}
		if slices.Contains(s.Command, "-state") && !slices.Contains(s.Volumes, "state:/state") {
			t.Errorf("%s has no volume for its state", name)
		}
		e.place(ctx, name)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Services)) { // gateway and nodes come first
		if len(c.Services[name].Profiles) == 0 {
			e.up(name, c.Services[name].Command)
		}
	}
	load, err := e.command(ctx, append(c.Services["load"].Command, "-for", "1s")).Output()
	var r result
	_, text, _ := strings.Cut(string(load), "result ")
	if err != nil || json.Unmarshal([]byte(text), &r) != nil || r.Accepted == 0 {
		t.Fatalf("the load: %v\n%s", err, load)
	}
	var mails []mail
	sent := func() bool {
		return get(ctx, "http://"+e.at["gateway"]+"/mails", &mails) == nil && len(mails) >= r.Accepted
	}
	if err := until(ctx, "all mails are sent", sent); err != nil {
		t.Fatalf("%v: %d of %d", err, len(mails), r.Accepted)
	}
	check := c.Services["node-b"].Healthcheck.Test
	if len(check) < 2 || check[0] != "CMD" || check[1] != "/mesh" {
		t.Fatalf("health is asked by %q", check)
	}
	asked := slices.Clone(check[2:])
	asked[len(asked)-1] = strings.Replace(asked[len(asked)-1], "127.0.0.1:7400", e.at["node-b"], 1)
	if err := e.command(ctx, asked).Run(); err != nil {
		t.Errorf("node-b is not healthy: %v", err)
	}
	e.down("node-a", os.Kill)
	if err := e.command(ctx, asked).Run(); err != nil {
		t.Errorf("node-b is not healthy: %v", err)
	}
	e.up("node-a", c.Services["node-a"].Command) // restart: unless-stopped
	before := len(mails)
	if load, err = e.command(ctx, append(c.Services["load"].Command, "-for", "2s")).Output(); err != nil {
		t.Fatalf("the load: %v\n%s", err, load)
	}
	if err := until(ctx, "mails are sent after the failover", func() bool {
		return get(ctx, "http://"+e.at["gateway"]+"/mails", &mails) == nil && len(mails) > before
	}); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"worker-1", "worker-2", "node-a", "node-b", "node-c", "gateway"} {
		e.down(name, syscall.SIGTERM)
	}
}

// engine runs services as a container engine would: what is name:7400 to them is
// an address on loopback.
type engine struct {
	t     *testing.T
	state string
	at    map[string]string
	runs  map[string]*exec.Cmd
}

func newEngine(t *testing.T) *engine {
	e := &engine{t: t, state: t.TempDir(), at: map[string]string{}, runs: map[string]*exec.Cmd{}}
	t.Cleanup(func() {
		for _, run := range e.runs {
			_ = run.Process.Kill()
			_ = run.Wait()
		}
	})

	return e
}

func (e *engine) place(ctx context.Context, name string) {
	address, err := reserve(ctx)
	if err != nil {
		e.t.Fatal(err)
	}
	e.at[name] = address
}

// command is this program with the arguments of a service, and its addresses.
func (e *engine) command(ctx context.Context, args []string) *exec.Cmd {
	args = slices.Clone(args)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "/state", e.state)
		for name, address := range e.at {
			args[i] = strings.ReplaceAll(args[i], "//"+name+":7400", "//"+address)
		}
	}
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), serviceVariable+"=1")

	return cmd
}

// serviceVariable tells the test binary that it is a service, at whose standard
// input nobody is.
const serviceVariable = "TQGEN_MESH_SERVICE"

func (e *engine) up(name string, args []string) {
	args = slices.Clone(args)
	if i := slices.Index(args, ":7400"); i >= 0 {
		args[i] = e.at[name]
	}
	run := e.command(context.Background(), args)
	out, err := run.StdoutPipe()
	if err == nil {
		err = run.Start()
	}
	if err != nil {
		e.t.Fatal(err)
	}
	ready := make([]byte, len("ready"))
	if _, err := io.ReadFull(out, ready); err != nil || string(ready) != "ready" {
		e.t.Fatalf("%s: %q, %v", name, ready, err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	e.runs[name] = run
}

// down ends a service. Unless it is killed it must end well.
func (e *engine) down(name string, by os.Signal) {
	run := e.runs[name]
	delete(e.runs, name)
	if err := run.Process.Signal(by); err != nil {
		e.t.Fatal(err)
	}
	if err := run.Wait(); err != nil && by != os.Kill {
		e.t.Errorf("%s: %v", name, fmt.Errorf("after %v: %w", by, err))
	}
}
