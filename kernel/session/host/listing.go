package host

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fovea/internal/atomicfile"
)

// What the go command says of the host library's packages is kept from session to session: it takes a quarter of a second
// to say it again, the larger part of a kernel's start. A listing is named by all that is asked, see listingKey, and holds
// for as long as the files that the answer came from are as they were.
type listing struct {
	Packages []listed          `json:"packages"`
	Modules  map[string]string `json:"modules"` // stamps of go.mod files of sources that may change; "": there is none
}

// A listed is a Package.
type listed struct {
	Path, Name, Export string
	Size               int64    // of the archive, whose name says what is in it
	Std                bool     `json:",omitempty"`
	Dir                string   `json:",omitempty"` // of a source that may change
	Embeds             []string `json:",omitempty"`
	Patterns           []string `json:",omitempty"`
	Stamp              string   `json:",omitempty"`
	Matches            string   `json:",omitempty"` // of the patterns
}

// listingFresh is how long a listing is believed. Asking again once a day tells the go command that the archives are in
// use: it removes from its cache what nobody has asked for in five days.
const (
	listingFresh = 24 * time.Hour
	listingOld   = 7 * listingFresh // when it is removed
)

// listRoots lists the packages of the host library.
func (h *Host) listRoots(ctx context.Context) ([]*Package, error) {
	begun := time.Now()
	key, anywhere := h.listingKey()
	file := filepath.Join(h.config.Cache, "listing-"+key+".json")
	if key != "" {
		if packages, ok := readListing(file); ok {
			return packages, nil
		}
	}
	packages, err := h.list(ctx, "", h.roots()...)
	if err != nil || key == "" {
		return packages, err
	}
	if anywhere && slices.ContainsFunc(packages, func(p *Package) bool { return strings.HasPrefix(p.local.dir+"/", h.moduleDir+"/") }) {
		return packages, nil // the key should name the folder
	}
	if now, _ := h.listingKey(); now == key {
		keepListing(file, packages, begun)
	}
	return packages, nil
}

// readListing reads a listing; ok says that it still holds.
func readListing(file string) (packages []*Package, ok bool) {
	info, err := os.Stat(file)
	if err != nil || time.Since(info.ModTime()) > listingFresh || time.Since(info.ModTime()) < -time.Minute {
		return nil, false
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, false
	}
	var kept listing
	if json.Unmarshal(text, &kept) != nil {
		return nil, false
	}
	for mod, stamp := range kept.Modules {
		if fileStamp(mod) != stamp {
			return nil, false
		}
	}
	for _, p := range kept.Packages {
		if info, err := os.Stat(p.Export); err != nil || info.Size() != p.Size {
			return nil, false
		}
		found := &Package{Path: p.Path, Name: p.Name, Export: p.Export, Std: p.Std}
		if p.Dir != "" {
			found.local = source{dir: p.Dir, embeds: p.Embeds, patterns: p.Patterns, stamp: p.Stamp}
			stamp, _ := found.local.look()
			matches, _ := found.local.matches()
			if stamp != p.Stamp || matches != p.Matches {
				return nil, false
			}
		}
		packages = append(packages, found)
	}
	return packages, len(packages) > 0
}

// keepListing writes a listing, unless something has been written since the go command began to look. When that fails,
// the next session asks again.
func keepListing(file string, packages []*Package, begun time.Time) {
	settled := begun.Add(-10 * time.Millisecond) // clocks of file systems are coarse
	kept := listing{Modules: map[string]string{}}
	for _, p := range packages {
		info, err := os.Stat(p.Export)
		if err != nil {
			return
		}
		one := listed{Path: p.Path, Name: p.Name, Export: p.Export, Size: info.Size(), Std: p.Std}
		if s := p.local; s.dir != "" {
			matches, newest := s.matches()
			if s.stamp == "" || !newest.Before(settled) || !kept.addModule(s.dir, settled) {
				return
			}
			one.Dir, one.Embeds, one.Patterns, one.Stamp, one.Matches = s.dir, s.embeds, s.patterns, s.stamp, matches
		}
		kept.Packages = append(kept.Packages, one)
	}
	old, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "listing-*.json"))
	for _, name := range old {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > listingOld {
			os.Remove(name) // what cannot be removed is tried again
		}
	}
	if text, err := json.Marshal(kept); err == nil {
		_ = atomicfile.WriteBytes(file, text)
	}
}

// addModule notes the go.mod of the module that a folder lies in, and that there is none between the two: a new one would
// take the folder out of the module. false: it has just been written.
func (l *listing) addModule(dir string, settled time.Time) bool {
	for {
		mod := filepath.Join(dir, "go.mod")
		if info, err := os.Stat(mod); err == nil && !info.ModTime().Before(settled) {
			return false
		}
		stamp, known := l.Modules[mod]
		if !known {
			stamp = fileStamp(mod)
			l.Modules[mod] = stamp
		}
		if parent := filepath.Dir(dir); known || stamp != "" || parent == dir {
			return true
		} else {
			dir = parent
		}
	}
}

// matches lists what the package's embed patterns match, and all that is in folders among it. newest is the last change of
// the folders in which names can appear.
func (s source) matches() (names string, newest time.Time) {
	note := func(dir string) {
		if info, err := os.Stat(dir); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	note(s.dir)
	var found []string
	files := os.DirFS(s.dir)
	for _, pattern := range s.patterns {
		matched, _ := fs.Glob(files, strings.TrimPrefix(pattern, "all:")) // a pattern that is wrong has not been listed
		for _, name := range matched {
			note(filepath.Join(s.dir, path.Dir(name)))
			// What cannot be read the go command cannot read either.
			_ = fs.WalkDir(files, name, func(name string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					note(filepath.Join(s.dir, name))
				}
				found = append(found, name)
				return nil
			})
		}
	}
	slices.Sort(found)
	return strings.Join(slices.Compact(found), "\n"), newest
}
