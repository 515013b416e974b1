package results

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/ldlab/ldlab/matrix"
)

// maxLine bounds one line of a results file, in bytes.
const maxLine = 64 << 20

// A line of a results file: its content and the sum that guards it.
type line struct {
	Sum    string  `json:"sum"` // sha256 of the other member's bytes, hex
	Header *rawDoc `json:"header,omitempty"`
	Result *rawDoc `json:"result,omitempty"`
}

type rawDoc = json.RawMessage

// A CorruptError is a line of a results file that is damaged.
type CorruptError struct {
	Line  int   // counts from 1
	At    int64 // offset of that line, bytes
	Last  bool  // nothing follows it
	Cut   bool  // it has no newline: what an interrupted write leaves
	End   bool  // what follows it cannot be read
	Cause error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("read results: line %d: %v", e.Line, e.Cause)
}

// LeftOut is what a reader that goes on after an error of a line leaves out.
func LeftOut(err error) string {
	var e *CorruptError
	if errors.As(err, &e) && e.End {
		return "its guest is left out, and nothing after it could be read"
	}
	return "its guest is left out"
}

func (e *CorruptError) Unwrap() error { return e.Cause }

// EncodeHeader gives the first line of a results file, newline included.
func EncodeHeader(h matrix.Header) ([]byte, error) {
	return encode(h, func(l *line, doc *rawDoc) { l.Header = doc })
}

// EncodeResult gives one further line of a results file, newline included.
func EncodeResult(r matrix.Result) ([]byte, error) {
	return encode(r, func(l *line, doc *rawDoc) { l.Result = doc })
}

func encode(v any, put func(*line, *rawDoc)) ([]byte, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode results: %w", err)
	}
	l := line{Sum: sum(doc)}
	put(&l, (*rawDoc)(&doc))
	b, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("encode results: %w", err)
	}
	return append(b, '\n'), nil
}

func sum(doc []byte) string {
	s := sha256.Sum256(doc)
	return hex.EncodeToString(s[:])
}

// Read takes a results file apart and hands over one result after the other,
// so that a large file need not fit into memory. It ends early with visit's
// error. On a *CorruptError, every line before the bad one was handed over.
func Read(r io.Reader, visit func(matrix.Result) error) (matrix.Header, error) {
	return Scan(r, func(_ Line, r matrix.Result, err error) error {
		if err != nil {
			return err
		}
		return visit(r)
	})
}

// A Line is where a line of a results file is.
type Line struct {
	Number int   // counts from 1
	At     int64 // offset, bytes
	Text   []byte
}

// Scan is Read, but goes on after a damaged line: visit gets that line with a
// *CorruptError, and the lines after it. Its Text is valid during the call only. A
// bad header is an error, because nothing is known of what follows.
func Scan(r io.Reader, visit func(l Line, r matrix.Result, err error) error) (h matrix.Header, err error) {
	var at int64
	br := bufio.NewReader(r)
	var text []byte
	for n := 1; ; n++ {
		text, err = readLine(br, text[:0])
		if err == io.EOF && len(text) == 0 {
			if n == 1 {
				return h, &CorruptError{Line: 1, Last: true, Cause: errors.New("file is empty")}
			}
			return h, nil
		}
		cut := err == io.EOF
		unread := err != nil && !cut // there is no next line
		var res matrix.Result
		switch {
		case cut:
			err = errors.New("line is cut off")
		case err == nil && n == 1:
			err = decodeHeader(text, &h)
		case err == nil:
			err = decodeResult(text, &res)
		}
		if err != nil {
			_, peek := br.Peek(1)
			err = &CorruptError{Line: n, At: at, Last: cut || peek != nil, Cut: cut, End: unread, Cause: err}
			if n == 1 {
				return h, err
			}
		}
		if n > 1 {
			if end := visit(Line{n, at, text}, res, err); end != nil || cut || unread {
				return h, end
			}
		}
		at += int64(len(text))
	}
}

// readLine appends a line with its newline to text; io.EOF if that is missing.
func readLine(br *bufio.Reader, text []byte) ([]byte, error) {
	for {
		part, err := br.ReadSlice('\n')
		text = append(text, part...)
		if len(text) > maxLine {
			return text, fmt.Errorf("line exceeds %d bytes", maxLine)
		}
		if err != bufio.ErrBufferFull {
			return text, err
		}
	}
}

func decodeHeader(text []byte, h *matrix.Header) error {
	l, err := decodeLine(text)
	switch {
	case err != nil:
		return err
	case l.Header == nil:
		return errors.New("not a header: is this a results file?")
	case sum(*l.Header) != l.Sum:
		return errDamaged
	}
	if err := json.Unmarshal(*l.Header, h); err != nil {
		return err
	}
	if h.Format < matrix.OldestFormat || h.Format > matrix.Format {
		return fmt.Errorf("format %d, this lab reads %d to %d: run it again, or use the lab that wrote it", h.Format, matrix.OldestFormat, matrix.Format)
	}
	return nil
}

func decodeResult(text []byte, r *matrix.Result) error {
	l, err := decodeLine(text)
	switch {
	case err != nil:
		return err
	case l.Result == nil:
		return errors.New("not a result")
	case sum(*l.Result) != l.Sum:
		return errDamaged
	}
	return json.Unmarshal(*l.Result, r)
}

var errDamaged = errors.New("its sum does not match: the file was damaged or edited")

func decodeLine(text []byte) (l line, err error) {
	if l, ok := written(text); ok {
		return l, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return l, fmt.Errorf("not a line of results: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return l, errors.New("not a line of results: more than one value")
	}
	return l, nil
}

// written takes a line apart that looks as encode writes it, without a copy of it. The
// document goes as far as the sum does, which the caller compares.
func written(text []byte) (l line, ok bool) {
	text, ok = bytes.CutPrefix(text, []byte(`{"sum":"`))
	if !ok || len(text) < 2*sha256.Size {
		return l, false
	}
	l.Sum, text = string(text[:2*sha256.Size]), text[2*sha256.Size:]
	text, ok = bytes.CutSuffix(text, []byte("}\n"))
	if !ok {
		return l, false
	}
	for _, m := range []struct {
		name string
		doc  **rawDoc
	}{{"header", &l.Header}, {"result", &l.Result}} {
		if doc, ok := bytes.CutPrefix(text, []byte(`","`+m.name+`":`)); ok {
			*m.doc = (*rawDoc)(&doc)
			return l, true
		}
	}
	return l, false
}
