// Package escaping has names and values that JSON escapes.
package escaping

// Task has names of every kind.
//
//tqgen:queue
type Task struct {
	Markup  string `json:"a<b>&c"`
	Spaced  string `json:"with space"`
	Foreign string `json:"ключ 日本"`
	Kelvin  string `json:"K"`
	Kelvin2 string `json:"Kelvin"`
	Punct   string `json:"!#$%()*+-./:;=?@[]^_{|}~"`
	Dash    string `json:"-,"`
	Comma   string `json:",omitempty"`
	Quote   string `json:"a\"b"`
	Slash   string `json:"a\\b"`
	Empty   string `json:""`
	NoTag   string `xml:"other"`
	Größe   string
	Tick    string `json:"tick"`
	Dollar  string `json:"$ref"`
	Comment string `json:"/*x"`
	Line    string `json:"//x"`
	Strings map[string]string
}
