package plan

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
)

// manyWords are too many for a message of one line.
const manyWords = 50

// unknownText reports an unknown word, and the word that was probably meant.
func unknownText(what, word string, known []string) string {
	best, distance := "", len(word)/2+2
	for _, k := range known {
		d := levenshtein.Distance(strings.ToLower(word), k, nil)
		if _, short, _ := strings.Cut(k, "/"); word != "" && (short == word || strings.HasPrefix(k, word)) {
			d = 0
		}
		if d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("unknown %s %q, did you mean %q?", what, word, best)
	}
	if len(known) > manyWords {
		return fmt.Sprintf("unknown %s %q; \"ldlab list\" has all %d", what, word, len(known))
	}
	return fmt.Sprintf("unknown %s %q; there are: %s", what, word, strings.Join(known, " "))
}

// UnknownWord is the usage error for an unknown word.
func UnknownWord(what, word string, known []string) error {
	return usagef("%s", unknownText(what, word, known))
}
