// Checks an audit log, its evidence and its notes with golang.org/x/mod/sumdb, an implementation that shares no code
// with Sunny: `check log DIR KEYFILE`, `check evidence DIR KEYFILE`, `check sign DIR KEYFILE`.
package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error) {
	if err != nil {
		fmt.Println("FAIL", err)
		os.Exit(1)
	}
}

func hashOf(s string) (h tlog.Hash) {
	b, err := base64.StdEncoding.DecodeString(s)
	must(err)
	copy(h[:], b)
	return
}

func checkpoint(text []byte, key string) tlog.Tree {
	v, err := note.NewVerifier(key)
	must(err)
	n, err := note.Open(text, note.VerifierList(v))
	must(err)
	lines := strings.Split(n.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	return tlog.Tree{N: size, Hash: hashOf(lines[2])}
}

type reader struct{ dir string }

func (r reader) Height() int { return 8 }
func (r reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, t := range tiles {
		p := strings.Replace(t.Path(), "tile/8/", "tile/", 1)
		b, err := os.ReadFile(filepath.Join(r.dir, p))
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}
func (r reader) SaveTiles([]tlog.Tile, [][]byte) {}

func main() {
	mode, dir := os.Args[1], os.Args[2]
	key, err := os.ReadFile(os.Args[3])
	must(err)
	k := strings.TrimSpace(string(key))
	switch mode {
	case "log":
		cp, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
		must(err)
		tree := checkpoint(cp, k)
		hr := tlog.TileHashReader(tree, reader{dir})
		leaves := 0
		for n := int64(0); n < tree.N; n++ {
			hs, err := hr.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
			must(err)
			p, err := tlog.ProveRecord(tree.N, n, hr)
			must(err)
			must(tlog.CheckRecord(p, tree.N, tree.Hash, n, hs[0]))
			leaves++
		}
		for n := int64(1); n < tree.N; n += 7 {
			h, err := tlog.TreeHash(n, hr)
			must(err)
			p, err := tlog.ProveTree(tree.N, n, hr)
			must(err)
			must(tlog.CheckTree(p, tree.N, tree.Hash, n, h))
		}
		fmt.Println("ok", leaves)
	case "evidence":
		files, _ := filepath.Glob(filepath.Join(dir, "*.tlog-proof"))
		for _, f := range files {
			text, err := os.ReadFile(f)
			must(err)
			head, cp, _ := bytes.Cut(text, []byte("\n\n"))
			lines := strings.Split(string(head), "\n")
			index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
			must(err)
			var p tlog.RecordProof
			for _, l := range lines[2:] {
				p = append(p, hashOf(l))
			}
			tree := checkpoint(cp, k)
			leaf, err := os.ReadFile(strings.TrimSuffix(f, "tlog-proof") + "json")
			must(err)
			must(tlog.CheckRecord(p, tree.N, tree.Hash, index, tlog.RecordHash(leaf)))
		}
		fmt.Println("ok", len(files))
	case "sign":
		s, err := note.NewSigner(k)
		must(err)
		m, err := note.Sign(&note.Note{Text: "from Go\n"}, s)
		must(err)
		os.Stdout.Write(m)
	}
}
