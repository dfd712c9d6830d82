// Renders templates with Go's own packages, for comparison. Reads JSON requests, one per line, and answers each with
// a line of JSON. The data are the same as in data.rs beside this file.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	html "html/template"
	"io"
	"os"
	"strings"
	text "text/template"
	"time"
)

type request struct {
	Text    string `json:"text"`
	HTML    bool   `json:"html"`
	Missing string `json:"missing"`
}

type answer struct {
	Out   string `json:"out"`
	Error string `json:"error"`
}

// Pair is a struct without methods.
type Pair struct{ Name, Value string }

// KV is a map with methods.
type KV map[string]string

// Get is a method with an argument.
func (kv KV) Get(name string) string { return kv[name] }

// Size is a method without arguments.
func (kv KV) Size() int { return len(kv) }

// Time is a method, so that printing the data does not print a time's insides.
func (kv KV) Time() time.Time { return time.Date(2023, 11, 14, 22, 13, 20, 120_000_000, time.UTC) }

// Join is a method that gives a function.
func (kv KV) Join() func(string, string) string {
	return func(a, b string) string { return a + b }
}

// Data is what the templates see.
type Data struct {
	Str, Empty, Link string
	Int, Neg, Zero   int
	Float, Big, Tiny float64
	True, False      bool
	Strings          []string
	Mixed            []any
	None             []string
	Labels           map[string]string
	Map              map[string]any
	KV               KV
	Pair             Pair
	Pairs            []Pair
	Nil              any
	Dur              time.Duration
	Safe             html.HTML
	SafeURL          html.URL
}

var data = Data{
	Str: "héllo <b>&\"'", Link: "https://x.org/a b?q=1&r=é", Int: 42, Neg: -7,
	Float: 3.25, Big: 1234567, Tiny: 0.0000125, True: true,
	Strings: []string{"a", "b", "c d"},
	Mixed:   []any{1, "x", 2.5, true, []any{"y"}},
	None:    []string{},
	Labels:  map[string]string{"job": "api", "instance": "db:9100", "alertname": "Down"},
	Map:     map[string]any{"b": "two", "a": 1, "c": []string{"z"}},
	KV:      KV{"x": "1", "y": "2"},
	Pair:    Pair{"n", "v"},
	Pairs:   []Pair{{"a", "1"}, {"b", "2"}},
	Dur:     1500 * time.Nanosecond,
	Safe:    "<i>safe</i>", SafeURL: "javascript:ok()",
}

var functions = map[string]any{
	"upper": strings.ToUpper,
	"half":  func(n int) int { return n / 2 },
	"twice": func(f float64) float64 { return f * 2 },
	"count": func(all ...string) int { return len(all) },
	"safe":  func(s string) html.HTML { return html.HTML(s) },
}

type template interface {
	Execute(io.Writer, any) error
}

func parse(r request) (template, error) {
	if r.HTML {
		return html.New("t").Funcs(functions).Option("missingkey=" + r.Missing).Parse(r.Text)
	}
	return text.New("t").Funcs(functions).Option("missingkey=" + r.Missing).Parse(r.Text)
}

func render(r request) answer {
	t, err := parse(r)
	if err != nil {
		return answer{Error: err.Error()}
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Out: out.String()}
}

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			panic(err)
		}
		if err := encoder.Encode(render(r)); err != nil {
			panic(err)
		}
	}
	out.Flush()
}
