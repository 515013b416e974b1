package pictures

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestSVG: the picture is XML, its text is the terminal's, and each style has its class.
func TestSVG(t *testing.T) {
	const text = "plain \x1b[1;31mLEAK\x1b[0m <b>&amp; \x1b]0;t\a 日本\n\n  \x1b[2m-\x1b[0m end\n"
	var b strings.Builder
	if err := SVG(&b, "ldlab run <x>", text); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	var words strings.Builder
	d := xml.NewDecoder(strings.NewReader(got))
	for depth := 0; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, got)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if depth++; token.Name.Local != "svg" && token.Name.Local != "style" && token.Name.Local != "rect" && token.Name.Local != "text" {
				t.Errorf("an element %s", token.Name.Local)
			}
		case xml.EndElement:
			if depth--; token.Name.Local == "text" {
				words.WriteByte('|')
			}
		case xml.CharData:
			if depth == 2 && !strings.Contains(string(token), "@media") {
				words.Write(token)
			}
		}
	}
	if want := "ldlab run <x>|plain |LEAK| <b>&amp; \ufffd]0;t\ufffd 日本|-| end|"; strings.TrimSpace(words.String()) != want {
		t.Errorf("%q, want %q", words.String(), want)
	}
	for _, want := range []string{`class="s1 s31" x="62.8"`, `class="s2"`, "prefers-color-scheme:dark"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

// TestStylesAreKnown: the style sheet has a class for each style of the terminal's view.
func TestStylesAreKnown(t *testing.T) {
	for _, s := range []string{"1", "2", "31", "32", "33", "35", "36"} {
		if !strings.Contains(style, ".s"+s+"{") {
			t.Errorf("no class for %s", s)
		}
	}
}

func FuzzSVG(f *testing.F) {
	f.Add("a\x1b[1;31mb\x1b[0m")
	f.Fuzz(func(t *testing.T, text string) {
		var b strings.Builder
		if err := SVG(&b, text, text); err != nil {
			t.Fatal(err)
		}
		if err := xml.Unmarshal([]byte(b.String()), new(struct{})); err != nil {
			t.Errorf("%v in %q", err, b.String())
		}
	})
}
