package tq

// Position is how far the events of a queue were followed. The zero Position is
// before all events of any queue.
type Position struct {
	Incarnation Incarnation
	Sequence    Sequence
}
