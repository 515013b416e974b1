package matrix

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// A CorruptError says which line of a results file cannot be believed.
type CorruptError struct {
	Line  int   // counts from 1
	At    int64 // offset of that line, bytes
	Last  bool  // nothing follows it: what an interrupted write leaves
	Cause error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("read results: line %d: %v", e.Line, e.Cause)
}

func (e *CorruptError) Unwrap() error { return e.Cause }

// EncodeHeader gives the first line of a results file, newline included.
func EncodeHeader(h Header) ([]byte, error) {
	return encode(h, func(l *line, doc *rawDoc) { l.Header = doc })
}

// EncodeResult gives one further line of a results file, newline included.
func EncodeResult(r Result) ([]byte, error) {
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

// Read takes a results file apart. On a *CorruptError, what came before the
// bad line is returned with it.
func Read(r io.Reader) (Header, []Result, error) {
	var (
		h       Header
		results []Result
		at      int64
		br      = bufio.NewReader(r)
	)
	for n := 1; ; n++ {
		text, err := readLine(br)
		if err == io.EOF && len(text) == 0 {
			if n == 1 {
				return h, nil, &CorruptError{Line: 1, Last: true, Cause: errors.New("file is empty")}
			}
			return h, results, nil
		}
		if err == nil {
			err = decode(text, n, &h, &results)
		} else if err == io.EOF {
			err = errors.New("line is cut off")
		}
		if err != nil {
			_, peek := br.Peek(1)
			return h, results, &CorruptError{Line: n, At: at, Last: peek != nil, Cause: err}
		}
		at += int64(len(text))
	}
}

// readLine returns a line with its newline; io.EOF where that is missing.
func readLine(br *bufio.Reader) ([]byte, error) {
	var text []byte
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

func decode(text []byte, n int, h *Header, results *[]Result) error {
	var l line
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return fmt.Errorf("not a line of results: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("not a line of results: more than one value")
	}
	doc := l.Result
	if n == 1 {
		doc = l.Header
	}
	switch {
	case doc == nil && n == 1:
		return errors.New("not a header: is this a results file?")
	case doc == nil:
		return errors.New("not a result")
	case sum(*doc) != l.Sum:
		return errors.New("its sum does not match: the file was damaged or edited")
	}
	if n == 1 {
		if err := json.Unmarshal(*doc, h); err != nil {
			return err
		}
		if h.Format != Format {
			return fmt.Errorf("format %d, this lab reads %d", h.Format, Format)
		}
		return nil
	}
	var r Result
	if err := json.Unmarshal(*doc, &r); err != nil {
		return err
	}
	*results = append(*results, r)
	return nil
}
