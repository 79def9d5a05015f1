// Empty: it lets ours.go declare a function that is linked from elsewhere.
