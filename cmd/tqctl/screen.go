package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/tqgen/tqgen/runtime/diagnostics"
)

// screen is the full-screen form of a watch.
type screen struct {
	topic   topic
	address string
	aim     aim
	clock   func() time.Time
	next    tea.Cmd // waits for the feed

	now    *state
	frozen *state // what is shown while paused; nil: now
	link   link
	why    string // the connection is lost
	warned string // the latest warning

	width, height int
	selected      string // key of a row; "" is the first
	top           int    // the first row that is seen
	detailed      bool
	scrolled      int // lines of the details, or of the journal
	helping       bool

	table   table // of what is shown
	reached bool  // the aim
}

// link is the state of the connection.
type link int

const (
	connecting link = iota
	live
	reconnecting
)

// Messages of the feed.
type (
	connectedMsg struct{}
	lostMsg      struct{ err error }
	warnMsg      struct{ err error }
	heardMsg     struct{ event event }
	settledMsg   struct{}
	batchMsg     []tea.Msg
	tickMsg      struct{}
)

func newScreen(t topic, address string, a aim, clock func() time.Time) *screen {
	return &screen{topic: t, address: address, aim: a, clock: clock, now: newState(), width: 80, height: 24}
}

// shown is what the screen is about at present.
func (m *screen) shown() *state {
	if m.frozen != nil {
		return m.frozen
	}

	return m.now
}

func tick() tea.Cmd { return tea.Tick(time.Second, func(time.Time) tea.Msg { return tickMsg{} }) }

// Init keeps ages up to date, and waits for the feed.
func (m *screen) Init() tea.Cmd { return tea.Batch(tick(), m.next) }

// Update takes in what the feed heard, and keys.
func (m *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	cmd := m.take(msg)
	m.table = m.topic.show(m.shown(), m.clock())

	return m, cmd
}

func (m *screen) take(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case batchMsg:
		for _, one := range msg {
			if cmd := m.take(one); cmd != nil {
				return cmd // it ends
			}
		}

		return m.next
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m.key(msg.String())
	case connectedMsg:
		m.link, m.why = live, ""
	case lostMsg:
		m.link, m.why = reconnecting, clean(msg.err.Error())
		if help := helpFor(msg.err); help != "" {
			m.why += " · " + clean(help)
		}
	case warnMsg:
		m.warned = clean(msg.err.Error())
	case heardMsg:
		m.now.apply(msg.event, m.clock())
		if msg.event.kind == diagnostics.TypeSnapshot {
			m.warned = "" // of what is told anew
		}
		if !msg.event.snapshot {
			return m.aimed(false)
		}
	case settledMsg:
		return m.aimed(true)
	case tickMsg:
		return tick()
	}

	return nil
}

// aimed ends the screen once the aim is reached.
func (m *screen) aimed(settled bool) tea.Cmd {
	if !m.aim.reached(m.now, settled) {
		return nil
	}
	m.reached = true

	return tea.Quit
}

// key does what a key says.
func (m *screen) key(name string) tea.Cmd {
	if m.helping {
		m.helping = false
		if name != "q" && name != "ctrl+c" {
			return nil
		}
	}
	switch name {
	case "q", "ctrl+c":
		return tea.Quit
	case "ctrl+z":
		return tea.Suspend
	case "p", "space":
		m.pause()
	case "?", "h":
		m.helping = true
	case "enter", "right", "l":
		if !m.detailed && len(m.table.rows) > 0 {
			m.detailed, m.scrolled = true, 0
			m.selected = m.table.rows[m.at()].key
		}
	case "esc", "left", "backspace":
		m.detailed = false
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "pgup", "ctrl+b":
		m.move(-m.page())
	case "pgdown", "ctrl+f":
		m.move(m.page())
	case "home", "g":
		m.move(-1 << 30)
	case "end", "G":
		m.move(1 << 30)
	}

	return nil
}

func (m *screen) pause() {
	if m.frozen != nil {
		m.frozen = nil
		return
	}
	m.frozen = m.now.clone()
}

// at is where the selected row is. One that has gone makes the first selected.
func (m *screen) at() int {
	for i, r := range m.table.rows {
		if r.key == m.selected {
			return i
		}
	}

	return 0
}

// move selects another row, or scrolls the details.
func (m *screen) move(by int) {
	if m.detailed {
		m.scrolled = max(0, min(m.scrolled+by, len(m.detailLines())-m.page()))
		return
	}
	rows := m.table.rows
	if len(rows) == 0 {
		return
	}
	i := max(0, min(m.at()+by, len(rows)-1))
	m.selected = rows[i].key
	if i == 0 {
		m.selected = "" // stays at the top whatever comes there
	}
}

// View draws it all.
func (m *screen) View() tea.View {
	lines := m.lines()
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], m.width, "…")
	}
	v := tea.NewView(strings.Join(lines[:min(len(lines), max(m.height, 0))], "\n"))
	v.AltScreen = true
	v.WindowTitle = "tqctl watch " + m.topic.String()

	return v
}

// Lines above and below the rows.
const headLines, footLines = 3, 1

// page is how many rows there is room for.
func (m *screen) page() int { return max(1, m.height-headLines-footLines-m.journalHeight()) }

// journalHeight is what the latest entries of the journal take.
func (m *screen) journalHeight() int {
	n := len(m.shown().journal)
	if n == 0 || m.detailed || m.height < 12 {
		return 0
	}

	return min(n, m.height/3) + 1
}

func (m *screen) lines() []string {
	lines := []string{m.title(), m.notice()}
	body := m.page() + 1 // and the titles
	switch {
	case m.helping:
		lines = append(lines, helpLines()...)
	case m.detailed:
		all := m.detailLines()
		lines = append(lines, all[min(m.scrolled, len(all)):]...)
	default:
		lines = append(lines, m.rows()...)
	}
	lines = append(lines, make([]string, max(0, 2+body-len(lines)))...)[:2+body]
	if !m.helping {
		lines = append(lines, m.journal()...)
	}
	lines = append(lines, make([]string, max(0, m.height-footLines-len(lines)))...)

	return append(lines, m.foot())
}

// title says what this is, and how the connection is.
func (m *screen) title() string {
	state, st := "connecting", dim
	switch m.link {
	case live:
		state, st = "live", good
	case reconnecting:
		state, st = "reconnecting", bad
	}
	if m.frozen != nil {
		state = "paused, " + state
	}
	left := "tqctl watch " + m.topic.String()
	room := m.width - ansi.StringWidth(left) - ansi.StringWidth(state) - 4
	if room < 8 {
		return styled(fit(left, m.width-ansi.StringWidth(state)-1, false), strong) + " " + styled(state, st)
	}

	return styled(left, strong) + "  " + fit(m.address, room, false) + "  " + styled(state, st)
}

// notice says what one must know to trust the rest.
func (m *screen) notice() string {
	var parts []string
	if m.frozen != nil {
		parts = append(parts, plural(m.now.events-m.frozen.events, "event")+" since the pause")
	}
	if lost := m.now.lost(); lost != "" {
		parts = append(parts, lost)
	}
	if n := m.now.spared; n > 0 {
		parts = append(parts, plural(n, "event")+" beyond the rate of the host")
	}
	if m.link == reconnecting {
		parts = append(parts, m.why)
	} else if m.warned != "" {
		parts = append(parts, m.warned)
	}
	if len(parts) == 0 {
		return ""
	}

	st := strong
	if m.link == reconnecting || m.now.lost() != "" {
		st = bad
	}

	return styled(fit(strings.Join(parts, " · "), m.width, false), st)
}

func (m *screen) rows() []string {
	t := &m.table
	if len(t.rows) == 0 {
		if m.now.lastID == "" && m.now.events == 0 {
			return []string{styled("Nothing has come yet.", dim)}
		}

		return strings.Split(ansi.Wrap(t.none, max(m.width, 1), ""), "\n")
	}
	widths := t.layout(m.width)
	at, page := m.at(), m.page()
	m.top = max(0, min(m.top, len(t.rows)-page))
	m.top = max(at-page+1, min(m.top, at))
	lines := []string{styled(t.head(widths), dim)}
	for i := m.top; i < min(m.top+page, len(t.rows)); i++ {
		lines = append(lines, t.line(t.rows[i], widths, i == at, true))
	}

	return lines
}

// detailLines are all lines of the details of the selected row.
func (m *screen) detailLines() []string {
	pairs := m.topic.details(m.shown(), m.selected)
	if pairs == nil {
		return []string{"It is gone. Esc goes back."}
	}
	const names = 15
	room := max(m.width-names, 16)
	var lines []string
	for _, p := range pairs {
		name := p.name
		for _, text := range cleanLines(p.value) {
			for part := range strings.SplitSeq(ansi.Wrap(text, room, ""), "\n") {
				lines = append(lines, styled(fit(name, names, false), dim)+part)
				name = ""
			}
		}
	}

	return lines
}

// journal is what happened last.
func (m *screen) journal() []string {
	height := m.journalHeight()
	if height == 0 {
		return nil
	}
	all := m.shown().journal
	lines := []string{styled(strings.Repeat("─", max(m.width, 0)), dim)}
	for _, e := range all[max(0, len(all)-height+1):] {
		st := plainText
		if e.bad {
			st = bad
		}
		lines = append(lines, clock(e.at)+"  "+styled(clean(e.text), st))
	}

	return lines
}

func (m *screen) foot() string {
	keys := "q quit  p pause  ↑↓ select  enter details  ? help"
	if m.detailed {
		keys = "q quit  p pause  ↑↓ scroll  esc back  ? help"
	}
	if rows := len(m.table.rows); rows > m.page() && !m.detailed {
		keys = fmt.Sprintf("%d/%d  ", m.at()+1, rows) + keys
	}

	return styled(fit(keys, m.width, false), dim)
}

func helpLines() []string {
	return []string{
		"q, ctrl-c       quit",
		"p, space        pause: the screen stops, the stream does not",
		"↑ ↓, k j        select a row, or scroll the details",
		"PgUp, PgDn      a page",
		"Home End, g G   the first, the last",
		"enter, →        details of the selected row",
		"esc, ←          back",
		"",
		"Any key goes on.",
	}
}

// inbox is an ear that keeps what it hears until the screen takes it. What does
// not fit waits, and with it the stream.
type inbox struct {
	ctx  context.Context
	msgs chan tea.Msg
}

func (in *inbox) put(m tea.Msg) bool {
	select {
	case in.msgs <- m:
		return true
	case <-in.ctx.Done():
		return false
	}
}

func (in *inbox) connected()         { in.put(connectedMsg{}) }
func (in *inbox) lost(err error)     { in.put(lostMsg{err}) }
func (in *inbox) warn(err error)     { in.put(warnMsg{err}) }
func (in *inbox) heard(e event) bool { return in.put(heardMsg{e}) }
func (in *inbox) settled() bool      { return in.put(settledMsg{}) }

// next waits for something, and takes all there is: so it is drawn once.
func (in *inbox) next() tea.Msg {
	batch := batchMsg{<-in.msgs}
	for {
		select {
		case m := <-in.msgs:
			batch = append(batch, m)
		default:
			return batch
		}
	}
}

// watchScreen shows the feed on the terminal that standard output is.
func watchScreen(ctx context.Context, f *feed, s surroundings, a aim) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := &inbox{ctx, make(chan tea.Msg, 1024)}
	m := newScreen(f.topic, f.host.name(), a, timeNow)
	m.next = in.next
	p := tea.NewProgram(m, tea.WithOutput(s.stdout), tea.WithoutSignalHandler())
	ended := make(chan error, 1)
	go func() {
		ended <- f.follow(ctx, in)
		p.Quit()
	}()
	_, err := p.Run()
	cancel()
	if err != nil {
		return &failure{fmt.Errorf("the terminal: %w", err), "--json prints lines instead"}
	}
	why := <-ended
	switch {
	case m.reached:
		tell(s.stdout, m.now)
		return nil
	case why == nil, errors.Is(why, context.Canceled):
		return errQuit
	default:
		return why
	}
}

// tell leaves lines where the screen was.
func tell(w io.Writer, s *state) {
	for _, k := range sortedSignals(s) {
		v := s.signals[k]
		what := "inactive"
		if v.Active {
			what = "active"
		}
		fmt.Fprintf(w, "%s %s since %s, at %s pending\n", clean(nameOf(v.Signal)), what, clock(v.since), count(v.Pending))
	}
}

// watchOnce prints what there is as a table.
func watchOnce(ctx context.Context, f *feed, out, complaints io.Writer, a aim, width int) error {
	seen := newState()
	l := &lines{out: io.Discard, complaints: complaints, aim: a, seen: seen}
	if err := l.run(ctx, f); err != nil {
		return err
	}
	t := f.topic.show(seen, timeNow())
	_, err := io.WriteString(out, t.text(width))

	return err
}
