// Package strictyaml reads small YAML files that users write. A key that the reader does
// not know, a key that is there twice, an anchor or a tag is an error, and every error has
// its file, line and column.
package strictyaml

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// An Error is a file that cannot be read as what it should be.
type Error struct {
	File         string
	Line, Column int // count from 1
	Text         string
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Text) }

// A File has the places of the parts of a file.
type File struct {
	Name string
	root *ast.File
}

// At is the error for a part of the file, such as "$.steps[0].verdict"; that of the
// part around it if it is not there.
func (f File) At(where, format string, args ...any) error {
	e := &Error{File: f.Name, Text: fmt.Sprintf(format, args...)}
	e.Line, e.Column = f.Place(where)
	return e
}

// Place is the line and the column of a part of the file; those of the part around it
// if it is not there.
func (f File) Place(where string) (line, column int) {
	for where != "" {
		if p, err := yaml.PathString(where); err == nil {
			if node, err := p.FilterFile(f.root); err == nil && node != nil && node.GetToken() != nil {
				return node.GetToken().Position.Line, node.GetToken().Position.Column
			}
		}
		where = where[:max(strings.LastIndexAny(where, ".["), 0)]
	}
	return 1, 1
}

// Bounds of how deep a file is nested, because the parser is recursive. In a block, each
// level is indented or has an indicator on its line; elsewhere it has a bracket.
const (
	maxBrackets   = 512 // of a file
	maxIndent     = 64  // spaces before a line
	maxIndicators = 64  // of a line: "- ", "? " and ": "
)

// Decode reads text, one document that is a list of keys with values, into v. name is
// the name of the file, and what is its kind, such as "finding". The error is an *Error.
func Decode(name, what string, text []byte, v any) (f File, err error) {
	f = File{Name: name}
	wrong := func(text string) error { return &Error{File: name, Line: 1, Column: 1, Text: text} }
	if err := f.nested(string(text)); err != nil {
		return f, err
	}
	if f.root, err = parser.ParseBytes(text, 0); err != nil {
		return f, f.of(err)
	}
	if len(f.root.Docs) != 1 || f.root.Docs[0].Body == nil {
		return f, wrong("a " + what + " is one document of YAML")
	}
	if _, ok := f.root.Docs[0].Body.(*ast.MappingNode); !ok {
		return f, wrong("a " + what + " is a list of keys with values")
	}
	var anchor refused
	ast.Walk(&anchor, f.root.Docs[0].Body)
	if anchor.node != nil {
		at := anchor.node.GetToken().Position
		return f, &Error{File: name, Line: at.Line, Column: at.Column, Text: "anchors, aliases, merges and tags are not allowed"}
	}
	if err := yaml.NodeToValue(f.root.Docs[0].Body, v, yaml.Strict()); err != nil {
		return f, f.of(err)
	}
	return f, nil
}

// nested refuses what may be nested too deep for the parser.
func (f File) nested(text string) error {
	if n := strings.Count(text, "[") + strings.Count(text, "{"); n > maxBrackets {
		return &Error{File: f.Name, Line: 1, Column: 1, Text: fmt.Sprintf("%d brackets, at most %d", n, maxBrackets)}
	}
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\t", " ").Replace(text)
	for i, line := range strings.Split(text, "\n") {
		if n := len(line) - len(strings.TrimLeft(line, " ")); n > maxIndent {
			return &Error{File: f.Name, Line: i + 1, Column: 1, Text: fmt.Sprintf("%d spaces before the line, at most %d", n, maxIndent)}
		}
		line += " " // an indicator may end the line
		if n := strings.Count(line, "- ") + strings.Count(line, "? ") + strings.Count(line, ": "); n > maxIndicators {
			return &Error{File: f.Name, Line: i + 1, Column: 1, Text: fmt.Sprintf("%d times \"- \", \"? \" or \": \", at most %d", n, maxIndicators)}
		}
	}
	return nil
}

// of is an error of the library with its place.
func (f File) of(err error) error {
	e := &Error{File: f.Name, Line: 1, Column: 1, Text: err.Error()}
	var placed yaml.Error
	if errors.As(err, &placed) {
		e.Text = placed.GetMessage()
		if t := placed.GetToken(); t != nil && t.Position != nil {
			e.Line, e.Column = t.Position.Line, t.Position.Column
		}
	}
	e.Text, _, _ = strings.Cut(e.Text, "\n")
	return e
}

// refused finds what a file must not have: an anchor would let a small file be a large
// value.
type refused struct{ node ast.Node }

// Visit implements ast.Visitor.
func (r *refused) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode:
		if r.node == nil {
			r.node = n
		}
		return nil
	}
	return r
}
