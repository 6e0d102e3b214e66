// Package cifar10 reads CIFAR-10: 60,000 colour photographs of 32×32 pixels in ten classes (Krizhevsky 2009).
//
// The set is taken from the first of these folders that there is: $FOVEA_DATA/cifar-10-batches-bin and the one that
// Fetch fills in Fovea's cache. Both hold the official binary files: records of one label byte and 3,072 pixel bytes,
// the 32×32 red ones first, then green, then blue. The official files have 10,000 records each. Files with fewer whole
// records are read as well and reported as a reduced set.
package cifar10

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fovea/datasets"
	"fovea/internal/home"
)

// The format of the official files.
const (
	Side       = 32
	recordSize = 1 + 3*Side*Side
	perFile    = 10_000 // records in each official file
	Folder     = "cifar-10-batches-bin"
)

var (
	trainFiles = []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"}
	testFile   = "test_batch.bin"
)

// Info describes the set.
var Info = datasets.Info{
	Name:     "cifar10",
	Title:    "CIFAR-10",
	Summary:  "photographs of 10 kinds of animals and vehicles",
	URL:      "https://www.cs.toronto.edu/~kriz/cifar.html",
	Licence:  "none stated by its authors, who ask to cite the report",
	Citation: "Alex Krizhevsky. Learning Multiple Layers of Features from Tiny Images. Technical report, University of Toronto, 2009.",
	Train:    5 * perFile,
	Test:     perFile,
	Shape:    [3]int{Side, Side, 3},
	Classes:  []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"},
	Download: archiveSize,
}

// Norm has the mean and the deviation of the 50,000 training images. They are fixed, so that a network trained on a
// reduced set and one trained on the whole see the same inputs.
var Norm = datasets.Normalization{
	Mean: []float32{0.4914, 0.4822, 0.4465},
	Std:  []float32{0.2470, 0.2435, 0.2616},
}

// Options says what to load. The zero value loads all of the set from where it is found, without a download.
type Options struct {
	Dir         string // the folder of the .bin files; "": see the package's comment
	Download    bool   // fetch the set when it isn't found; not with Dir
	Train, Test int    // images, evenly chosen over the classes; 0: all
	Seed        uint64 // of that choice

	Progress func(done, total int64) // hears of the download; may be nil
}

func init() {
	datasets.Register(datasets.Source{
		Info: Info,
		Open: open,
		Find: Find,
		Fetch: func(ctx context.Context, progress func(done, total int64)) (datasets.Place, error) {
			dir, err := Fetch(ctx, FetchOptions{Progress: progress})
			if err != nil {
				return datasets.Place{}, err
			}
			return inspect(dir), nil
		},
		Verify: func(ctx context.Context) (string, error) {
			p := Find()
			if !p.Present && p.Problem == nil {
				return "", missing(p.Dir)
			}
			return Verify(ctx, p.Dir)
		},
	})
}

// open is Load for the registry, with the options that all sets share.
func open(ctx context.Context, o datasets.Options) (train, test *datasets.Images, err error) {
	if o.Classes != 0 && o.Classes != len(Info.Classes) {
		return nil, nil, fmt.Errorf("cifar10 has %d classes, not %d: only generated sets can have another number", len(Info.Classes), o.Classes)
	}
	if o.Size != 0 && (o.Size > Side || Side%o.Size != 0) {
		return nil, nil, fmt.Errorf("cifar10 has images of %d×%d, which can be shrunk to 16, 8 or 4 but not be made %d", Side, Side, o.Size)
	}
	train, test, err = Load(ctx, Options{Download: o.Download, Train: o.Train, Test: o.Test, Seed: o.Seed, Progress: o.Progress})
	if err == nil && o.Size != 0 && o.Size != Side {
		train, test = train.Shrink(Side/o.Size), test.Shrink(Side/o.Size)
	}
	return train, test, err
}

// Load reads the set. The error wraps datasets.ErrMissing when it isn't there, and names the file and what to do when
// a file is missing, cut short or damaged.
func Load(ctx context.Context, o Options) (train, test *datasets.Images, err error) {
	dir := o.Dir
	if dir == "" {
		p := Find()
		switch {
		case p.Present || p.Problem != nil:
			dir = p.Dir // with a problem, reading it tells which file it is
		case o.Download:
			if dir, err = Fetch(ctx, FetchOptions{Progress: o.Progress}); err != nil {
				return nil, nil, err
			}
		default:
			return nil, nil, missing(p.Dir)
		}
	}
	if train, err = read(ctx, dir, "train", trainFiles...); err != nil {
		return nil, nil, err
	}
	if test, err = read(ctx, dir, "test", testFile); err != nil {
		return nil, nil, err
	}
	for _, part := range []struct {
		images **datasets.Images
		n      int
		what   string
	}{{&train, o.Train, "training"}, {&test, o.Test, "test"}} {
		if part.n < 0 || part.n > (*part.images).N {
			return nil, nil, fmt.Errorf("cifar10: %d %s images asked for, but %s has %d", part.n, part.what, dir, (*part.images).N)
		}
		*part.images = (*part.images).Sample(part.n, o.Seed)
	}
	return train, test, nil
}

// Available says whether Load would find the set, whole or damaged, without a download. It reads no images.
func Available() bool {
	p := Find()
	return p.Present || p.Problem != nil
}

// Find says where the set is, or where it would be put, and what is the matter with it, from names and sizes alone.
func Find() datasets.Place {
	if data := os.Getenv("FOVEA_DATA"); data != "" {
		dir := filepath.Join(data, Folder)
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			return inspect(dir)
		}
	}
	cache, err := cacheDir()
	if err != nil {
		return datasets.Place{Problem: err}
	}
	dir := filepath.Join(cache, Folder)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return datasets.Place{Dir: dir}
	}
	return inspect(dir)
}

func cacheDir() (string, error) { return home.Cache("data", "cifar10") }

// missing tells the three ways to the set.
func missing(dir string) error {
	return fmt.Errorf("CIFAR-10: %w\n"+
		"  with a network:    fovea data get cifar10   (%d MB)\n"+
		"  without a network: fetch %s elsewhere, put it at %s and run the same command,\n"+
		"                     or set FOVEA_DATA to a folder that holds %s",
		datasets.ErrMissing, int64(archiveSize)/1_000_000, archiveURLs[0], filepath.Join(filepath.Dir(dir), archiveName), Folder)
}
