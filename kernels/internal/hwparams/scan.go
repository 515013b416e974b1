package main

import (
	"regexp"
	"strings"
)

// A param is one declaration of a module parameter.
type param struct {
	File string // relative to the tree
	Line int
	Name string
	Type string // as declared; empty if the macro takes none
	HW   string // the kind of hardware that it steers, as declared; empty: not declared
	Mode string // the permissions of its file in sysfs, as written; 0: it has none
	Desc string // MODULE_PARM_DESC in the same file
}

// A macro is one that declares a parameter: where its arguments are, -1 if it has
// none of that kind (include/linux/moduleparam.h, v6.12).
type macro struct{ typ, hw, mode int }

var macros = map[string]macro{
	"module_param":              {1, -1, 2},
	"module_param_unsafe":       {1, -1, 2},
	"module_param_named":        {2, -1, 3},
	"module_param_named_unsafe": {2, -1, 3},
	"module_param_array":        {1, -1, 3},
	"module_param_array_named":  {2, -1, 4},
	"module_param_string":       {-1, -1, 3},
	"module_param_cb":           {-1, -1, 3},
	"module_param_cb_unsafe":    {-1, -1, 3},
	"module_param_call":         {-1, -1, 4},
	"module_param_hw":           {1, 2, 3},
	"module_param_hw_named":     {2, 3, 4},
	"module_param_hw_array":     {1, 2, 4},
}

var call = regexp.MustCompile(`\b(module_param\w*|MODULE_PARM_DESC)\s*\(`)

// scan finds the declarations in a file of C. Those in the bodies of macros are not
// found: their names depend on where the macro is used.
func scan(file, text string) (found []param) {
	if !strings.Contains(text, "module_param") {
		return nil
	}
	code := blank(text)
	desc := map[string]string{}
	for _, at := range call.FindAllStringSubmatchIndex(code, -1) {
		args := arguments(code, text, at[1])
		name := code[at[2]:at[3]]
		if name == "MODULE_PARM_DESC" && len(args) == 2 {
			desc[args[0]] = literal(args[1])
		}
		m, ok := macros[name]
		if !ok || len(args) <= m.mode {
			continue
		}
		p := param{File: file, Line: 1 + strings.Count(code[:at[0]], "\n"), Name: args[0], Mode: args[m.mode]}
		if m.typ >= 0 {
			p.Type = args[m.typ]
		}
		if m.hw >= 0 {
			p.HW = args[m.hw]
		}
		found = append(found, p)
	}
	for i := range found {
		found[i].Desc = desc[found[i].Name]
	}
	return found
}

// blank is the text with blanks in place of comments, of what strings and characters
// hold, and of directives of the preprocessor with the lines that continue them.
// Every byte stays where it is.
func blank(text string) string {
	b := []byte(text)
	clear := func(from, to int) {
		for i := from; i < min(to, len(b)); i++ {
			if b[i] != '\n' {
				b[i] = ' '
			}
		}
	}
	begins := true // nothing but blanks in this line so far
	for i := 0; i < len(b); {
		end := i + 1
		switch rest := text[i:]; {
		case strings.HasPrefix(rest, "/*"):
			end = i + until(rest, "*/", 2)
			clear(i, end)
		case strings.HasPrefix(rest, "//"):
			end = i + line(rest)
			clear(i, end)
		case rest[0] == '"' || rest[0] == '\'':
			end = i + quoted(rest)
			clear(i+1, end-1)
			begins = false
		case rest[0] == '#' && begins:
			for end = i; ; end++ {
				end += line(text[end:])
				if end == len(text) || text[end-1] != '\\' {
					break
				}
			}
			clear(i, end)
		default:
			begins = rest[0] == '\n' || begins && (rest[0] == ' ' || rest[0] == '\t')
		}
		i = end
	}
	return string(b)
}

// line is the length of the first line.
func line(text string) int {
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		return i
	}
	return len(text)
}

// until is the length of the text up to the end of the mark, which is looked for
// from an offset on.
func until(text, mark string, from int) int {
	if i := strings.Index(text[from:], mark); i >= 0 {
		return from + i + len(mark)
	}
	return len(text)
}

// quoted is the length of a literal at the beginning of the text.
func quoted(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			return i + 1
		case '\n':
			return i // no literal: an apostrophe in assembly
		}
	}
	return len(text)
}

// arguments are those of a call whose parenthesis ends at from, as they stand in
// text.
func arguments(code, text string, from int) (args []string) {
	depth, begin := 0, from
	for i := from; i < len(code); i++ {
		switch c := code[i]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == ',' && depth == 0, c == ')':
			args = append(args, strings.Join(strings.Fields(text[begin:i]), " "))
			if c == ')' {
				return args
			}
			begin = i + 1
		}
	}
	return nil
}

var stringLiteral = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)

// literal is the text of adjacent string literals.
func literal(code string) string {
	var all strings.Builder
	for _, m := range stringLiteral.FindAllStringSubmatch(code, -1) {
		all.WriteString(strings.NewReplacer(`\n`, " ", `\t`, " ", `\"`, `"`, `\\`, `\`).Replace(m[1]))
	}
	return strings.Join(strings.Fields(all.String()), " ")
}
