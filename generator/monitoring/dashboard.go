package monitoring

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/tqgen/tqgen/internal/instrument"
)

// schemaVersion is the last one of Grafana's classic dashboards, which every
// Grafana from 10 on imports.
const schemaVersion = 42

// board is a dashboard as Grafana has it, as far as it is used here.
type board struct {
	Generated     string     `json:"__generated"`
	Title         string     `json:"title"`
	UID           string     `json:"uid"`
	Description   string     `json:"description"`
	Tags          []string   `json:"tags"`
	SchemaVersion int        `json:"schemaVersion"`
	Version       int        `json:"version"`
	Editable      bool       `json:"editable"`
	GraphTooltip  int        `json:"graphTooltip"` // 1: crosshairs are shared
	Refresh       string     `json:"refresh"`
	Time          timeRange  `json:"time"`
	Timezone      string     `json:"timezone"`
	Templating    templating `json:"templating"`
	Annotations   lists      `json:"annotations"`
	Links         []struct{} `json:"links"`
	Panels        []panel    `json:"panels"`
}

type timeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type templating struct {
	List []variable `json:"list"`
}

type lists struct {
	List []struct{} `json:"list"`
}

// variable is chosen at the top of a dashboard.
type variable struct {
	Name       string      `json:"name"`
	Label      string      `json:"label"`
	Type       string      `json:"type"`
	Query      any         `json:"query"`
	Definition string      `json:"definition,omitempty"`
	Datasource *datasource `json:"datasource,omitempty"`
	Refresh    int         `json:"refresh"` // 1: on load, 2: when the time range changes
	Sort       int         `json:"sort,omitempty"`
	Multi      bool        `json:"multi,omitempty"`
	IncludeAll bool        `json:"includeAll,omitempty"`
	AllValue   string      `json:"allValue,omitempty"`
	Current    *choice     `json:"current,omitempty"`
	Hide       int         `json:"hide"`
}

type choice struct {
	Text  string `json:"text"`
	Value string `json:"value"`
}

type query struct {
	Query string `json:"query"`
	RefID string `json:"refId"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// chosen is the data source that is chosen at the top.
var chosen = &datasource{Type: "prometheus", UID: "${datasource}"}

// panel is a row's heading or a chart.
type panel struct {
	ID          int         `json:"id"`
	Type        string      `json:"type"`
	Title       string      `json:"title"`
	Description string      `json:"description,omitempty"`
	Repeat      string      `json:"repeat,omitempty"` // a row, once for each value of that variable
	Collapsed   *bool       `json:"collapsed,omitempty"`
	GridPos     gridPos     `json:"gridPos"`
	Datasource  *datasource `json:"datasource,omitempty"`
	FieldConfig *fields     `json:"fieldConfig,omitempty"`
	Options     any         `json:"options,omitempty"`
	Targets     []target    `json:"targets,omitempty"`
	Panels      []panel     `json:"panels,omitzero"` // of a row: none, as its charts follow it
}

type gridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

type target struct {
	RefID        string      `json:"refId"`
	Datasource   *datasource `json:"datasource"`
	Expr         string      `json:"expr"`
	LegendFormat string      `json:"legendFormat"`
	EditorMode   string      `json:"editorMode"`
	Range        bool        `json:"range"`
}

type fields struct {
	Defaults  fieldDefaults `json:"defaults"`
	Overrides []override    `json:"overrides"`
}

type fieldDefaults struct {
	Unit     string         `json:"unit"`
	Min      *int           `json:"min,omitempty"`
	Custom   map[string]any `json:"custom"`
	Mappings []mapping      `json:"mappings,omitempty"`
}

type mapping struct {
	Type    string            `json:"type"`
	Options map[string]result `json:"options"`
}

type result struct {
	Text  string `json:"text"`
	Color string `json:"color"`
	Index int    `json:"index"`
}

type override struct {
	Matcher    matcher    `json:"matcher"`
	Properties []property `json:"properties"`
}

type matcher struct {
	ID      string `json:"id"`
	Options string `json:"options"`
}

type property struct {
	ID    string `json:"id"`
	Value any    `json:"value"`
}

// dashboard is the file for Grafana's import and provisioning.
func (s *sheets) dashboard() ([]byte, error) {
	b := board{
		Generated: mark, Title: "Task queues", UID: "tqgen-task-queues",
		Description: "What is in the queues, what goes through them, and what holds them up.",
		Tags:        []string{"tqgen"}, SchemaVersion: schemaVersion, Version: 1, Editable: true, GraphTooltip: 1,
		Refresh: "10s", Time: timeRange{"now-1h", "now"}, Timezone: "browser",
		Templating: templating{variables()}, Annotations: lists{[]struct{}{}}, Links: []struct{}{},
		Panels: layOut(rows()),
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(b)

	return out.Bytes(), err
}

// variables are what is chosen at the top: a data source, and queues.
func variables() []variable {
	return []variable{
		{
			Name: "datasource", Label: "Data source", Type: "datasource", Query: "prometheus", Refresh: 1,
			Current: &choice{"default", "default"},
		},
		values("queue", "Queue", "label_values(<taskqueue.pending>, <name>)"),
		values("shard", "Shard", `label_values(<taskqueue.pending>{<name>=~"$queue"}, <shard>)`),
		values("instance", "Instance", `label_values(<taskqueue.pending>{<name>=~"$queue"}, instance)`),
	}
}

// values is a variable with the values of a label.
func values(name, label, text string) variable {
	text = expand(text)

	return variable{
		Name: name, Label: label, Type: "query", Query: query{text, name}, Definition: text, Datasource: chosen,
		Refresh: 2, Sort: 1, Multi: true, IncludeAll: true, AllValue: ".*", Current: &choice{"All", "$__all"},
	}
}

// layOut numbers the panels and gives them their places: rows below each other,
// their charts from left to right.
func layOut(rows []row) []panel {
	var all []panel
	place := func(p panel, pos gridPos) {
		p.ID, p.GridPos = len(all)+1, pos
		all = append(all, p)
	}
	y := 0
	for _, r := range rows {
		open := false
		heading := panel{Type: "row", Title: r.title, Repeat: r.repeat, Collapsed: &open, Panels: []panel{}}
		place(heading, gridPos{H: 1, W: width, Y: y})
		y++
		x := 0
		for _, c := range r.charts {
			if x+c.width > width {
				x, y = 0, y+height
			}
			place(c.panel(), gridPos{H: height, W: c.width, X: x, Y: y})
			x += c.width
		}
		y += height
	}

	return all
}

// Sizes in units of the grid.
const (
	width  = 24
	height = 8
)

// row is a heading and the charts below it.
type row struct {
	title  string
	repeat string // the variable for each of whose values the row is there once
	charts []chart
}

// chart is a panel as the table of panels has it.
type chart struct {
	title, text string
	unit        string // as Grafana names it
	width       int
	states      bool // 0 and 1, as bands
	curves      []curve
	dashed      []string // legends of what are limits
}

// curve is one expression of a chart, and its legend.
type curve struct {
	legend, expr string
}

// panel makes a panel of Grafana's from a chart.
func (c *chart) panel() panel {
	p := panel{
		Type: "timeseries", Title: c.title, Description: c.text, Datasource: chosen,
		FieldConfig: &fields{Defaults: fieldDefaults{Unit: c.unit}, Overrides: []override{}},
	}
	if c.states {
		c.asStates(&p)
	} else {
		c.asLines(&p)
	}
	for i, v := range c.curves {
		p.Targets = append(p.Targets, target{
			RefID: string(rune('A' + i)), Datasource: chosen, Expr: expand(v.expr), LegendFormat: expand(v.legend),
			EditorMode: "code", Range: true,
		})
	}

	return p
}

func (c *chart) asLines(p *panel) {
	zero := 0
	p.FieldConfig.Defaults.Min = &zero
	p.FieldConfig.Defaults.Custom = map[string]any{"lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}
	p.Options = map[string]any{"legend": legend(), "tooltip": map[string]any{"mode": "multi", "sort": "desc"}}
	for _, legend := range c.dashed {
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, override{
			matcher{"byRegexp", "/^" + legend + "/"},
			[]property{
				{"custom.lineStyle", map[string]any{"fill": "dash", "dash": []int{10, 10}}},
				{"custom.fillOpacity", 0},
			},
		})
	}
}

func (c *chart) asStates(p *panel) {
	p.Type = "state-timeline"
	p.FieldConfig.Defaults.Custom = map[string]any{"lineWidth": 0, "fillOpacity": 80}
	p.FieldConfig.Defaults.Mappings = []mapping{{"value", map[string]result{
		"0": {"open", "green", 0}, "1": {"backpressure", "orange", 1},
	}}}
	p.Options = map[string]any{
		"legend": legend(), "tooltip": map[string]any{"mode": "single", "sort": "none"},
		"mergeValues": true, "showValue": "auto", "rowHeight": 0.9,
	}
}

func legend() map[string]any {
	return map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}}
}

// selector is what every expression of the dashboard selects by.
const selector = `{<name>=~"$queue",<shard>=~"$shard",instance=~"$instance"}`

// total is a gauge, summed up over instances; most is its highest value. As with
// the following, more keys of attributes may be given that curves are told apart
// by.
func total(n instrument.Name, by ...string) string {
	return fmt.Sprintf("sum by (%s) (<%s>%s)", grouped(by), n, selector)
}

func most(n instrument.Name, by ...string) string {
	return fmt.Sprintf("max by (%s) (<%s>%s)", grouped(by), n, selector)
}

// rate is how often a counter rises in a second.
func rate(n instrument.Name, by ...string) string {
	return fmt.Sprintf("sum by (%s) (rate(<%s>%s[$__rate_interval]))", grouped(by), n, selector)
}

// quantile is one of a histogram.
func quantile(q string, n instrument.Name, by ...string) string {
	return fmt.Sprintf("histogram_quantile(%s, sum by (le, %s) (rate(<%s>_bucket%s[$__rate_interval])))",
		q, grouped(by), n, selector)
}

func grouped(by []string) string {
	text := "<name>, <shard>"
	for _, key := range by {
		text += ", " + Label(key)
	}

	return text
}
