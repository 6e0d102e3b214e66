package cifar10

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"fovea/internal/atomicfile"
	"fovea/internal/download"
	"fovea/internal/filelock"
)

// The official archive. Its page gives the MD5 sum c32a1d4ab5d03f1284b67883e8d87530; this is the SHA-256 of that file.
const (
	archiveName   = "cifar-10-binary.tar.gz"
	archiveSHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
	archiveSize   = 170_052_171
)

var archiveURLs = []string{
	"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
	"https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
}

// sumsName is the list of checksums that Fetch leaves beside the files, in sha256sum's format.
const sumsName = "SHA256SUMS"

// FetchOptions says from where to fetch the archive and where to unpack it. The zero value is the official one, into
// Fovea's cache; the other fields are for mirrors and tests.
type FetchOptions struct {
	Dir      string   // the folder that gets cifar-10-batches-bin; "": Fovea's cache
	URLs     []string // nil: the official addresses
	SHA256   string   // of the archive; "": the official one's
	Size     int64    // of the archive; 0 with SHA256: unknown
	Client   *http.Client
	Progress func(done, total int64) // may be nil
}

// Fetch downloads and unpacks the set and returns its folder. What is there already and whole is kept. An interrupted
// download goes on at the next call, and an archive that someone has put into the folder by hand is used. The folder
// appears when all of it has been checked, or not at all.
func Fetch(ctx context.Context, o FetchOptions) (dir string, err error) {
	if o.Dir == "" {
		if o.Dir, err = cacheDir(); err != nil {
			return "", err
		}
	}
	if o.URLs == nil {
		o.URLs = archiveURLs
	}
	if o.SHA256 == "" {
		o.SHA256, o.Size = archiveSHA256, archiveSize
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return "", atomicfile.Explain(err, o.Dir)
	}
	unlock, err := filelock.Lock(ctx, filepath.Join(o.Dir, ".lock"), nil)
	if err != nil {
		return "", err
	}
	defer unlock()

	dir = filepath.Join(o.Dir, Folder)
	if _, err := os.Lstat(dir); err == nil {
		// Never replaced here: it may hold what someone put together by hand.
		if p := inspect(dir); p.Problem != nil {
			return "", p.Problem
		}
		return dir, nil
	}
	archive := filepath.Join(o.Dir, archiveName)
	err = download.Fetch(ctx, download.Options{URLs: o.URLs, Path: archive, SHA256: o.SHA256, Size: o.Size, Client: o.Client, Progress: o.Progress})
	if err != nil {
		return "", err
	}
	if err := unpack(ctx, archive, o.Dir, dir); err != nil {
		return "", explain(archive, o.Dir, err)
	}
	// Its content is in the folder now, and the disk may be small.
	return dir, os.Remove(archive)
}

func explain(archive, dir string, err error) error {
	return atomicfile.Explain(fmt.Errorf("CIFAR-10: unpack %s: %w", archive, err), dir)
}

// unpack writes the archive's files to a temporary folder in parent, checks them, and renames the folder to dir.
func unpack(ctx context.Context, archive, parent, dir string) (err error) {
	removeLeftovers(parent)
	temporary, err := os.MkdirTemp(parent, ".unpack-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary) // nothing is left there after the rename
	root, err := os.OpenRoot(temporary)
	if err != nil {
		return err
	}
	defer root.Close()

	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	compressed, err := gzip.NewReader(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return err
	}
	var sums strings.Builder
	for files := tar.NewReader(compressed); ; {
		header, err := files.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		name, wanted, err := memberName(header)
		if err != nil {
			return err
		} else if !wanted {
			continue
		}
		sum, err := extract(ctx, root, name, files)
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%s  %s\n", sum, name)
	}
	if err := root.WriteFile(sumsName, []byte(sums.String()), 0o644); err != nil {
		return err
	}
	if p := inspect(temporary); p.Problem != nil {
		return fmt.Errorf("the archive isn't CIFAR-10: %w", p.Problem)
	}
	if err := os.Chmod(temporary, 0o755); err != nil {
		return err
	}
	return os.Rename(temporary, dir)
}

// removeLeftovers removes what a process that was killed has left; the caller holds the lock, so no one uses it.
func removeLeftovers(parent string) {
	old, _ := filepath.Glob(filepath.Join(parent, ".unpack-*")) // the pattern is well formed
	for _, dir := range old {
		_ = os.RemoveAll(dir) // in the way of nothing, only of the disk's space
	}
}

// memberName returns the base name of a file of the archive and whether it is one of those that are wanted. A name
// that leads out of the archive's one folder, or a link, is an error: no archive of this set has any.
func memberName(h *tar.Header) (name string, wanted bool, err error) {
	clean := path.Clean(h.Name)
	if !filepath.IsLocal(filepath.FromSlash(h.Name)) || (clean != Folder && path.Dir(clean) != Folder) {
		return "", false, fmt.Errorf("the archive has a file %q outside of %s: refused", h.Name, Folder)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return "", false, nil
	case tar.TypeReg:
		return path.Base(clean), true, nil
	}
	return "", false, fmt.Errorf("the archive's %q is neither a file nor a folder: refused", h.Name)
}

// maxMember bounds one file, so that a manipulated archive can't fill the disk.
const maxMember = perFile * recordSize

func extract(ctx context.Context, root *os.Root, name string, from io.Reader) (sum string, err error) {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if sum, err = copyMember(ctx, name, f, from); err != nil {
		return "", err
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	return sum, f.Close()
}

func copyMember(ctx context.Context, name string, to io.Writer, from io.Reader) (sum string, err error) {
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, hash), io.LimitReader(contextReader{ctx, from}, maxMember+1))
	if err != nil {
		return "", err
	}
	if n > maxMember {
		return "", fmt.Errorf("the archive's %s has more than %d bytes: refused", name, maxMember)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// contextReader makes a long copy end when the context does.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}

// Verify reads the whole set in dir: sizes, labels, and the checksums where Fetch has left them. The report says what
// has been checked.
func Verify(ctx context.Context, dir string) (report string, err error) {
	train, test, err := Load(ctx, Options{Dir: dir})
	if err != nil {
		return "", err
	}
	report = fmt.Sprintf("%s: %d training and %d test images, all labels in range", dir, train.N, test.N)
	if note := inspect(dir).Note; note != "" {
		report += "\n  " + note
	}
	list, err := os.ReadFile(filepath.Join(dir, sumsName))
	if errors.Is(err, fs.ErrNotExist) {
		return report + "\n  checksums: none to compare with, since 'fovea data get' didn't put the files there", nil
	} else if err != nil {
		return "", err
	}
	checked := 0
	for line := range strings.Lines(string(list)) {
		sum, name, found := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !found || name != filepath.Base(name) {
			return "", fmt.Errorf("CIFAR-10: %s has a line %q: %s", filepath.Join(dir, sumsName), line, repair)
		}
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if err := download.Check(filepath.Join(dir, name), sum); err != nil {
			return "", fmt.Errorf("CIFAR-10: %w: %s", err, repair)
		}
		if slices.Contains(trainFiles, name) || name == testFile {
			checked++
		}
	}
	if checked != len(trainFiles)+1 {
		return "", fmt.Errorf("CIFAR-10: %s covers %d of %d files: %s", filepath.Join(dir, sumsName), checked, len(trainFiles)+1, repair)
	}
	return report + "\n  checksums: as in the archive that was fetched", nil
}
