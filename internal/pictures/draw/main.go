// Command draw writes what a terminal shows, which it reads, as SVG: draw TITLE.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/ldlab/ldlab/internal/pictures"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: draw TITLE <TEXT >SVG")
		os.Exit(2)
	}
	text, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
	if err == nil {
		err = pictures.SVG(os.Stdout, os.Args[1], string(text))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
}
