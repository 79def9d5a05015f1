package main

func Example() {
	main()
	// Output: attempt 1 to ada@example.org
}
