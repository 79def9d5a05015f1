// Empty: it lets shared.go declare functions that are linked from elsewhere.
