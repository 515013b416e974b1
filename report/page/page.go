// Package page writes a matrix, and what else was measured, as one HTML file that needs
// nothing else: no network, no other file. All that a guest may have written is JSON in a
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

	"github.com/ldlab/ldlab/internal/history"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/charts"
	"github.com/ldlab/ldlab/report/words"
)

var (
	//go:embed page.html
	frame string
	//go:embed page.css
	style string
	//go:embed sections.js
	sections string
	//go:embed page.js
	views string
)

// Content is what a page shows. Each of its fields may be empty.
type Content struct {
	Matrix   *matrix.Matrix
	History  []history.Night // beside Matrix: what there are charts of
	Sections []Section
}

// Write writes the page.
func Write(w io.Writer, c Content) error {
	data, err := data(c)
	if err != nil {
		return err
	}
	// What is filled in last has no mark that is replaced.
	head, rest, _ := strings.Cut(filled(), "@HISTORY@")
	before, after, _ := strings.Cut(rest, "@DATA@")
	past := ""
	if c.Matrix != nil {
		past = charts.Section(c.History, c.Matrix)
	}
	for _, text := range []string{head, past, before, data, after} {
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}

// script is the page's only script.
func script() string { return "\"use strict\";\n" + sections + views }

// filled is the frame with style and script, and without data.
func filled() string {
	return strings.NewReplacer("@STYLEHASH@", hash(style), "@SCRIPTHASH@", hash(script()), "@STYLE@", style, "@SCRIPT@", script()).Replace(frame)
}

// Style is the style of the pages, and StyleHash its source expression of a
// Content-Security-Policy.
func Style() string     { return style }
func StyleHash() string { return hash(style) }

// hash is a text's source expression of a Content-Security-Policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// data is what the page shows, as JSON in one line. It has no <, > or &, so that
// nothing in it can end the element that it is in.
func data(c Content) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b) // it writes <, > and & as escapes
	if err := enc.Encode(collect(c)); err != nil {
		return "", err
	}
	return words.JSON(strings.TrimSuffix(b.String(), "\n")), nil
}
