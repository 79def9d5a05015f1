package tq

// Generation is the form of generated code this runtime serves best. Output
// states the generation it was written for and checks it against the window at
// compile time.
const (
	Generation    = 1
	MinGeneration = 1 // oldest output that this runtime serves
	MaxGeneration = 1 // newest output that this runtime serves
)

// EnforceGeneration makes the compiler refuse output that does not fit the
// runtime. Generated code has two constants of this type, one for each end of
// the window; the one that overflows tells what to do:
//
//   - EnforceGeneration(n - MinGeneration): the output is too old for the
//     runtime. Run go generate with the tqgen of your go.mod.
//   - EnforceGeneration(MaxGeneration - n): the runtime is too old for the
//     output. Run go get github.com/tqgen/tqgen@latest.
type EnforceGeneration uint
