// The service of docs/quickstart.md: a module as users have it.
module example.com/orders

go 1.26.0

replace github.com/tqgen/tqgen => ../..

tool github.com/tqgen/tqgen/cmd/tqgen

require github.com/tqgen/tqgen v0.0.0-00010101000000-000000000000

require (
	github.com/dave/jennifer v1.7.1 // indirect
	golang.org/x/mod v0.42.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/time v0.15.0 // indirect
	golang.org/x/tools v0.52.0 // indirect
)
