// Turns what `docker save` wrote into an OCI archive without the layers that a node already holds: a changed line of
// code is then loaded in a second or two, though its image has two gigabytes.
//
// usage: imagedelta SAVED <HELD >ARCHIVE     HELD: digests, one a line, as `ctr content ls -q` prints them
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
)

// saved is a tar file with random access; a link in it stands for the file that it names.
type saved struct {
	file    *os.File
	entries map[string]entry
}

type entry struct {
	offset, size int64
	link         string
}

func open(name string) (*saved, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	s := &saved{file, map[string]entry{}}
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return nil, err
		}
		e := entry{size: header.Size}
		if e.offset, err = file.Seek(0, io.SeekCurrent); err != nil {
			return nil, err
		}
		if header.Typeflag == tar.TypeSymlink {
			e.link = path.Join(path.Dir(header.Name), header.Linkname)
		}
		s.entries[path.Clean(header.Name)] = e
	}
}

func (s *saved) get(name string) (*io.SectionReader, error) {
	e, ok := s.entries[path.Clean(name)]
	if ok && e.link != "" {
		e, ok = s.entries[e.link]
	}
	if !ok {
		return nil, fmt.Errorf("%s is missing from the archive", name)
	}
	return io.NewSectionReader(s.file, e.offset, e.size), nil
}

func (s *saved) read(name string) ([]byte, error) {
	section, err := s.get(name)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(section)
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// archive is an OCI image layout on its way out; what is in `held` is named in it but not sent, nor is anything twice.
type archive struct {
	out  *tar.Writer
	held map[string]bool
}

func (a *archive) write(name string, size int64, content io.Reader) error {
	if err := a.out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size}); err != nil {
		return err
	}
	_, err := io.Copy(a.out, content)
	return err
}

func (a *archive) blob(digest string, size int64, content io.Reader) error {
	if a.held[digest] {
		return nil
	}
	a.held[digest] = true
	return a.write("blobs/sha256/"+digest[len("sha256:"):], size, content)
}

func (a *archive) document(mediaType string, body []byte) (descriptor, error) {
	d := descriptor{MediaType: mediaType, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(body)), Size: int64(len(body))}
	delete(a.held, d.Digest) // small, and containerd reads it at once: always sent
	return d, a.blob(d.Digest, d.Size, bytes.NewReader(body))
}

// image sends one image's missing layers, configuration and manifest, and describes it.
func (a *archive) image(s *saved, configName string, layerNames []string) (descriptor, error) {
	body, err := s.read(configName)
	if err != nil {
		return descriptor{}, err
	}
	var config struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(body, &config); err != nil {
		return descriptor{}, err
	}
	if len(config.RootFS.DiffIDs) != len(layerNames) {
		return descriptor{}, fmt.Errorf("%s names %d layers, the archive has %d", configName, len(config.RootFS.DiffIDs), len(layerNames))
	}
	layers := []descriptor{}
	for i, digest := range config.RootFS.DiffIDs {
		section, err := s.get(layerNames[i])
		if err != nil {
			return descriptor{}, err
		}
		layers = append(layers, descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar", Digest: digest, Size: section.Size()})
		if err := a.blob(digest, section.Size(), section); err != nil {
			return descriptor{}, err
		}
	}
	d, err := a.document("application/vnd.oci.image.config.v1+json", body)
	if err != nil {
		return descriptor{}, err
	}
	const manifestType = "application/vnd.oci.image.manifest.v1+json"
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": manifestType, "config": d, "layers": layers})
	if err != nil {
		return descriptor{}, err
	}
	return a.document(manifestType, manifest)
}

func run(name string, held io.Reader, out io.Writer) error {
	s, err := open(name)
	if err != nil {
		return err
	}
	a := &archive{tar.NewWriter(out), map[string]bool{}}
	for lines := bufio.NewScanner(held); lines.Scan(); {
		a.held[lines.Text()] = true
	}
	body, err := s.read("manifest.json")
	if err != nil {
		return err
	}
	var images []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(body, &images); err != nil {
		return err
	}
	index := []descriptor{}
	for _, image := range images {
		d, err := a.image(s, image.Config, image.Layers)
		if err != nil {
			return err
		}
		for _, tag := range image.RepoTags {
			d.Annotations = map[string]string{"io.containerd.image.name": "docker.io/" + tag}
			index = append(index, d)
		}
	}
	body, err = json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": index})
	if err != nil {
		return err
	}
	layout := []byte(`{"imageLayoutVersion":"1.0.0"}`)
	if err := a.write("index.json", int64(len(body)), bytes.NewReader(body)); err != nil {
		return err
	}
	if err := a.write("oci-layout", int64(len(layout)), bytes.NewReader(layout)); err != nil {
		return err
	}
	return a.out.Close()
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: imagedelta SAVED <HELD >ARCHIVE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "imagedelta:", err)
		os.Exit(1)
	}
}
