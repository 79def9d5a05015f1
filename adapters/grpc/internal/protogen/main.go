// Command protogen writes the Go code of the .proto files below a folder, beside
// them, or with -check says which is not what it would write. Compiler and plugins
// are modules that go.mod pins, so the output is the same everywhere.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"
)

var plugins = []string{"protoc-gen-go", "protoc-gen-go-grpc"}

func main() {
	check := flag.Bool("check", false, "write nothing, and fail if there is anything to write")
	root := flag.String("root", "proto", "folder of the .proto files")
	flag.Parse()
	if err := run(context.Background(), *root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string, check bool) error {
	request, err := compile(ctx, root)
	if err != nil {
		return err
	}
	var errs []error
	for _, plugin := range plugins {
		files, err := generate(ctx, plugin, request)
		if err != nil {
			return err
		}
		for _, f := range files {
			path := filepath.Join(root, filepath.FromSlash(f.GetName()))
			errs = append(errs, put(path, []byte(f.GetContent()), check))
		}
	}

	return errors.Join(errs...)
}

// compile makes what plugins are asked: all files below root, in order.
func compile(ctx context.Context, root string) (*pluginpb.CodeGeneratorRequest, error) {
	var names []string
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".proto") {
			name, _ := filepath.Rel(root, path) // path is below root
			names = append(names, filepath.ToSlash(name))
		}

		return err
	})
	if err != nil {
		return nil, err
	}
	compiler := protocompile.Compiler{
		Resolver:       &protocompile.SourceResolver{ImportPaths: []string{root}},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(ctx, names...)
	if err != nil {
		return nil, err
	}
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: names, Parameter: proto.String("paths=source_relative")}
	for _, f := range files {
		request.ProtoFile = append(request.ProtoFile, protoutil.ProtoFromFileDescriptor(f))
	}

	return request, nil
}

// generate runs a plugin.
func generate(
	ctx context.Context, plugin string, request *pluginpb.CodeGeneratorRequest,
) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	in, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "tool", plugin)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", plugin, err)
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out, &response); err != nil {
		return nil, fmt.Errorf("%s: %w", plugin, err)
	}
	if response.Error != nil {
		return nil, fmt.Errorf("%s: %s", plugin, response.GetError())
	}

	return response.GetFile(), nil
}

// put makes content that of the file, or says that it is not.
func put(path string, content []byte, check bool) error {
	present, err := os.ReadFile(path)
	switch {
	case err == nil && bytes.Equal(present, content):
		return nil
	case check:
		return fmt.Errorf("%s is not what its .proto file gives: run make proto", filepath.ToSlash(path))
	}

	return os.WriteFile(path, content, 0o644)
}
