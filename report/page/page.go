// Package page writes a matrix as one HTML file that needs nothing else: no
// network, no other file. All that a guest or a mail may have written is JSON in a
// data block, and the script puts it into the document as text only. The file
// forbids every other script and every load (Content-Security-Policy).
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/changes"
	"github.com/ldlab/ldlab/report/words"
)

// An Input is what a page shows. Only the matrix is required; the other fields have
// a view each.
type Input struct {
	Matrix   *matrix.Matrix
	Coverage []matrix.Coverage
	Mutation []matrix.Mutation
	Review   *changes.Review
}

var (
	//go:embed page.html
	frame string
	//go:embed page.css
	style string
	//go:embed page.js
	script string
)

// Write writes the page.
func Write(w io.Writer, in Input) error {
	data, err := Data(in)
	if err != nil {
		return err
	}
	before, after, _ := strings.Cut(filled(), "@DATA@")
	for _, text := range []string{before, data, after} {
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}

// filled is the frame with style and script, and without data.
func filled() string {
	return strings.NewReplacer("@STYLEHASH@", hash(style), "@SCRIPTHASH@", hash(script), "@STYLE@", style, "@SCRIPT@", script).Replace(frame)
}

// hash is a text's source expression of a Content-Security-Policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Data is what the page shows, as JSON in one line. It has no <, > or &, so that
// nothing in it can end the element that it is in.
func Data(in Input) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b) // it writes <, > and & as escapes
	if err := enc.Encode(collect(in)); err != nil {
		return "", err
	}
	return words.JSON(strings.TrimSuffix(b.String(), "\n")), nil
}
