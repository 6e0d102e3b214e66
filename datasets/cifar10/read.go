package cifar10

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"fovea/datasets"
)

// repair ends every error about a damaged file.
const repair = "remove the folder and run 'fovea data get cifar10', or put whole files there"

// records returns the number of records in a file of that size.
func records(path string) (int, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("CIFAR-10: %s is missing (the official file has %d bytes): %s: %w", path, perFile*recordSize, repair, fs.ErrNotExist)
	case err != nil:
		return 0, fmt.Errorf("CIFAR-10: %w", err)
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("CIFAR-10: %s isn't a file: %s", path, repair)
	case info.Size() == 0 || info.Size()%recordSize != 0:
		return 0, fmt.Errorf("CIFAR-10: %s has %d bytes, which isn't a whole number of %d-byte records (the official file has %d bytes); it may be cut short: %s",
			path, info.Size(), recordSize, perFile*recordSize, repair)
	case info.Size() > perFile*recordSize:
		return 0, fmt.Errorf("CIFAR-10: %s has %d bytes, more than the %d of the official file: %s", path, info.Size(), perFile*recordSize, repair)
	}
	return int(info.Size() / recordSize), nil
}

// inspect looks at names and sizes in dir.
func inspect(dir string) datasets.Place {
	p := datasets.Place{Dir: dir}
	train, test := 0, 0
	for _, name := range append(trainFiles[:len(trainFiles):len(trainFiles)], testFile) {
		n, err := records(filepath.Join(dir, name))
		if err != nil {
			p.Problem = err
			return p
		}
		p.Bytes += int64(n) * recordSize
		if name == testFile {
			test += n
		} else {
			train += n
		}
	}
	p.Present = true
	if train != Info.Train || test != Info.Test {
		p.Note = fmt.Sprintf("reduced set: %d of %d training and %d of %d test images", train, Info.Train, test, Info.Test)
	}
	return p
}

// read reads the files one after the other into one set.
func read(ctx context.Context, dir, part string, names ...string) (*datasets.Images, error) {
	counts, total := make([]int, len(names)), 0
	for i, name := range names {
		n, err := records(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		counts[i], total = n, total+n
	}
	im := &datasets.Images{
		Name: "cifar10/" + part, N: total, H: Side, W: Side, C: 3,
		Pixels: make([]uint8, total*(recordSize-1)), Labels: make([]int32, total),
		Classes: Info.Classes, Norm: Norm, Info: Info,
	}
	at := 0
	for i, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := readFile(filepath.Join(dir, name), im.Slice(at, at+counts[i])); err != nil {
			return nil, err
		}
		at += counts[i]
	}
	return im, nil
}

func readFile(path string, into *datasets.Images) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("CIFAR-10: %w", err)
	}
	defer f.Close()
	content := make([]byte, into.N*recordSize)
	if _, err := io.ReadFull(f, content); err != nil {
		return fmt.Errorf("CIFAR-10: read %s: %w: %s", path, err, repair)
	}
	for i := range into.N {
		record := content[i*recordSize : (i+1)*recordSize]
		if int(record[0]) >= len(Info.Classes) {
			return fmt.Errorf("CIFAR-10: %s: record %d (byte %d) has label %d, must be 0 to %d: the file is damaged or of another format: %s",
				path, i, i*recordSize, record[0], len(Info.Classes)-1, repair)
		}
		into.Labels[i] = int32(record[0])
		interleave(into.PixelsAt(i), record[1:])
	}
	return nil
}

// interleave turns three planes into pixels: CHW to HWC.
func interleave(dst, planes []byte) {
	const n = Side * Side
	red, green, blue := planes[:n], planes[n:2*n], planes[2*n:3*n]
	for p := range n {
		d := dst[3*p : 3*p+3 : 3*p+3]
		d[0], d[1], d[2] = red[p], green[p], blue[p]
	}
}
