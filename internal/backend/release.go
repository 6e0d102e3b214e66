package backend

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"fovea/internal/download"
	"fovea/internal/home"
)

// releaseVersion is the plugin that go-xla's own installer takes. That installer isn't called: it checks no checksum,
// and it has no time limit for a host that doesn't answer.
const releaseVersion = "v0.114.0"

var releaseAPI = "https://api.github.com/repos/gomlx/pjrt-cpu-binaries/releases/tags/" + releaseVersion

// releaseFolder is where installRelease puts the plugin.
func releaseFolder() (string, error) {
	return shareXLA("release-" + releaseVersion + "-" + runtime.GOOS + "-" + runtime.GOARCH)
}

// installRelease downloads the plugin that is published for go-xla, checks it against the checksum in the release's
// record, runs it, and puts it in releaseFolder.
func installRelease(ctx context.Context, progress io.Writer) (string, error) {
	asset, err := releaseAsset(ctx)
	if err != nil {
		return "", err
	}
	dir, err := releaseFolder()
	if err != nil {
		return "", err
	}
	return installOnce(ctx, dir, progress, probe, func(staging string) error {
		cache, err := home.Cache("xla")
		if err != nil {
			return err
		}
		archive := filepath.Join(cache, releaseVersion+"-"+asset.Name)
		say(progress, "XLA:CPU %s, as published for go-xla", releaseVersion)
		err = download.Fetch(ctx, download.Options{
			URLs: []string{asset.URL}, Path: archive, SHA256: strings.TrimPrefix(asset.Digest, "sha256:"), Size: asset.Size,
			Progress: download.Bar(progress, "download"),
		})
		if err != nil {
			return err
		}
		defer os.Remove(archive)
		return extractPlugin(archive, installedPlugin(staging))
	})
}

type asset struct {
	Name   string `json:"name"`
	URL    string `json:"browser_download_url"`
	Digest string `json:"digest"` // "sha256:…"; older releases have none
	Size   int64  `json:"size"`
}

// releaseAsset asks for the release's record. It waits ten seconds at most: the host is out of reach of many machines.
func releaseAsset(ctx context.Context) (asset, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, errors.New("no answer within 10 s"))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, releaseAPI, nil)
	if err != nil {
		return asset{}, err
	}
	req.Header.Set("Accept", "application/vnd.github+json")
	if token := os.Getenv("GH_TOKEN"); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return asset{}, fmt.Errorf("can't be reached: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return asset{}, fmt.Errorf("%s answered %s", req.URL.Host, resp.Status)
	}
	var record struct {
		Assets []asset `json:"assets"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 4<<20)).Decode(&record); err != nil {
		return asset{}, fmt.Errorf("the release's record can't be read: %w", err)
	}
	want := fmt.Sprintf("pjrt_cpu_%s_%s.tar.gz", runtime.GOOS, runtime.GOARCH)
	for _, a := range record.Assets {
		if a.Name != want {
			continue
		}
		if !strings.HasPrefix(a.Digest, "sha256:") {
			return asset{}, fmt.Errorf("%s names no checksum, and nothing unchecked is run", a.Name)
		}
		return a, nil
	}
	return asset{}, errSkip(fmt.Sprintf("release %s has no %s", releaseVersion, want))
}

// extractPlugin writes the plugin in the archive to the file to.
func extractPlugin(archive, to string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if err == io.EOF {
			return errors.New("the archive holds no XLA:CPU plugin")
		}
		if err != nil {
			return err
		}
		// Links are passed over: the file itself has the versioned name.
		if h.Typeflag == tar.TypeReg && pluginFile.MatchString(path.Base(h.Name)) && pluginName(h.Name) == "cpu" {
			return writeFile(to, r)
		}
	}
}
