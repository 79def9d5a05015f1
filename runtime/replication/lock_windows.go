package replication

import (
	"errors"
	"os"
	"syscall"
)

const sharingViolation syscall.Errno = 32

func openLocked(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	handle, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, sharingViolation) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, err
	}

	return os.NewFile(uintptr(handle), path), nil
}

// unlock has nothing to do: closing the file is enough.
func unlock(*os.File) {}
