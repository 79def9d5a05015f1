package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newRoot(s surroundings) *cobra.Command {
	root := &cobra.Command{
		Use:   "tqctl",
		Short: "watch and check the queues of a service",
		Long: `tqctl watches and checks the queues of a service that mounts a diagnostics host.

  tqctl watch queues      follow them, on the whole screen or as JSON lines
  tqctl check             hold them to limits, for probes and scripts
  tqctl snapshot          print what there is now

$TQCTL_URL says where the service is, $TQCTL_TOKEN and $TQCTL_HEADERS who asks.

The exit status is 0 if all is well, 1 if a limit is exceeded or a watch ended
without what it waited for, 2 after misuse or if there is no answer, and 130 if a
watch that waited for something was interrupted.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetOut(s.stdout)
	root.SetErr(s.stderr)
	root.SetVersionTemplate("tqctl {{.Version}}\n")
	c := &connection{getenv: s.getenv}
	c.flags(root.PersistentFlags())
	root.AddCommand(newWatch(c, s), newCheck(c, s), newSnapshot(c, s), &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cobra.NoArgs,

		ValidArgsFunction: cobra.NoFileCompletions,

		Run: func(c *cobra.Command, _ []string) { fmt.Fprintf(c.OutOrStdout(), "tqctl %s\n", version()) },
	})

	return root
}

// version is what the binary was built from.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}

	return "(devel)"
}
