// Package strictyaml reads small YAML files that users write. A key that the reader does
// not know, a key that is there twice, an anchor or a tag is an error, and every error has
// its file, line and column.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
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
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // editors put it there
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
	var kind *yaml.TypeError
	var large *yaml.OverflowError
	switch {
	case errors.As(err, &kind):
		e.Text = fmt.Sprintf("%s is needed here, and not %s", nameOf(kind.DstType), nameOf(kind.SrcType))
	case errors.As(err, &large):
		e.Text = fmt.Sprintf("the number %s is too large", large.SrcNum)
	}
	e.Text, _, _ = strings.Cut(e.Text, "\n")
	return e
}

// nameOf is what a user calls a type of Go.
func nameOf(t reflect.Type) string {
	if t == nil {
		return "nothing"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return nameOf(t.Elem())
	case reflect.String:
		return "a text"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a list of keys with values"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number with a fraction"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	}
	return "another value"
}

// A Scalar is a value that may be a whole number or a text.
type Scalar struct {
	Text   string // of a number: in decimal
	Number bool
}

// number is what a user means as a number, although the parser may take it for a text.
var number = regexp.MustCompile(`^[-+]?(0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*)$`)

// UnmarshalYAML implements yaml.NodeUnmarshaler.
func (s *Scalar) UnmarshalYAML(node ast.Node) error {
	wrong := func(text string) error { return &yaml.SyntaxError{Message: text, Token: node.GetToken()} }
	switch n := node.(type) {
	case *ast.IntegerNode:
		*s = Scalar{fmt.Sprint(n.Value), true}
	case *ast.LiteralNode:
		*s = Scalar{Text: n.Value.Value}
	case *ast.StringNode:
		if t := n.GetToken(); t.Type == token.StringType && number.MatchString(n.Value) {
			return wrong(fmt.Sprintf("%s is no number of 64 bits; a text of digits is quoted", n.Value))
		}
		*s = Scalar{Text: n.Value}
	default:
		return wrong("a whole number or a text is needed here")
	}
	return nil
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
