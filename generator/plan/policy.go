package plan

import (
	"go/token"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/tqgen/tqgen/generator/directive"
	"github.com/tqgen/tqgen/generator/model"
)

// The ranges of the policy, and what holds where the directive says nothing.
const (
	maxTasks        = 1 << 24
	maxAttempts     = 1000
	minLease        = time.Millisecond
	maxDuration     = 24 * time.Hour
	defaultCapacity = 512
	defaultLease    = 30 * time.Second
	defaultAttempts = 5
	defaultCooldown = 5 * time.Second
	maxNameLength   = 128
)

// arguments are the arguments of one directive by key.
type arguments map[string]directive.Arg

func argumentsOf(d directive.Directive) arguments {
	args := make(arguments, len(d.Args))
	for _, a := range d.Args {
		args[a.Key] = a
	}

	return args
}

// policy reads the policy keys. A bad value is reported and replaced by its
// default, so that the other keys are still checked; what depends on it is held to
// the largest there is, since nobody gave the default.
func (p *planner) policy(args arguments) model.Policy {
	capacity, ok := p.count(args, "capacity", defaultCapacity, 1, maxTasks)
	most := capacity
	if !ok {
		most = maxTasks
	}
	lease := p.lease(args)
	high, low := p.watermarks(args, most)

	return model.Policy{
		Capacity:  capacity,
		Attempts:  p.number(args, "attempts", defaultAttempts, 1, maxAttempts),
		Dead:      p.number(args, "dead", capacity, 1, maxTasks),
		Lease:     lease,
		Heartbeat: p.heartbeat(args, lease),
		Backoff:   p.backoff(args),
		High:      high,
		Low:       low,
		Cooldown:  p.cooldown(args),
		Sparse:    p.sparse(args),
	}
}

// sparse reads payload: whether only the first event of a task carries it.
func (p *planner) sparse(args arguments) bool {
	arg, given := args["payload"]
	if given && arg.Value != "always" && arg.Value != "enqueued" {
		p.errorf(arg.ValuePos, "TQ140", "payload=%s is neither always nor enqueued", arg.Value).
			Helpf("write payload=enqueued to leave the payload out of all events of a task but the first")
	}

	return arg.Value == "enqueued"
}

// number is count for keys that nothing depends on.
func (p *planner) number(args arguments, key string, fallback, least, limit int) int {
	n, _ := p.count(args, key, fallback, least, limit)

	return n
}

// count reads a key whose value is a whole number from least to limit. It gives the
// fallback if there is none, and if what is there is wrong.
func (p *planner) count(args arguments, key string, fallback, least, limit int) (n int, ok bool) {
	arg, given := args[key]
	if !given {
		return fallback, true
	}

	n, err := strconv.Atoi(arg.Value)
	switch {
	case !digits(strings.TrimPrefix(arg.Value, "-")):
		p.errorf(arg.ValuePos, "TQ120", "%s=%s is not a whole number", key, arg.Value).
			Helpf("write digits only, from %d to %d: %s=%d", least, limit, key, fallback)
	case err != nil || n < least || n > limit:
		p.errorf(arg.ValuePos, "TQ121", "%s=%s is out of range", key, arg.Value).
			Helpf("%s is from %d to %d", key, least, limit)
	default:
		return n, true
	}

	return fallback, false
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// lease reads how long a grant holds.
func (p *planner) lease(args arguments) time.Duration {
	arg, given := args["lease"]
	if !given {
		return defaultLease
	}

	d, ok := p.duration(arg.ValuePos, "lease", arg.Value, minLease)
	if !ok {
		return maxDuration
	}

	return d
}

// duration reads one duration of key's value, from least to a day, and reports
// what is wrong with it.
func (p *planner) duration(pos token.Pos, key, text string, least time.Duration) (time.Duration, bool) {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil && digits(text):
		p.errorf(pos, "TQ122", "%s: %s has no unit", key, text).
			Helpf("durations are written as in Go: %sms, %ss, %sm", text, text, text)
	case err != nil:
		p.errorf(pos, "TQ122", "%s: %s is not a duration", key, strconv.Quote(text)).
			Helpf("durations are written as in Go: 250ms, 30s, 1h30m")
	case d < least || d > maxDuration:
		p.errorf(pos, "TQ123", "%s: %s is out of range", key, text).
			Helpf("%s is from %s to %s", key, least, model.Duration(maxDuration))
	default:
		return d, true
	}

	return 0, false
}

// heartbeat reads the interval of heartbeats: a third of the lease, or what is
// given if that is below half of it.
func (p *planner) heartbeat(args arguments, lease time.Duration) time.Duration {
	arg, given := args["heartbeat"]
	if !given {
		return lease / 3
	}

	interval, ok := p.duration(arg.ValuePos, "heartbeat", arg.Value, time.Nanosecond)
	if !ok {
		return lease / 3
	}

	if interval >= lease/2 {
		d := p.errorf(arg.KeyPos, "TQ107",
			"heartbeat=%s must be less than half of lease=%s", arg.Value, leaseText(args, lease))
		if _, ok := args["lease"]; !ok {
			d.Helpf("lease is %s where the directive does not give it", model.Duration(lease))
		}
		d.Helpf("leave heartbeat out for a third of the lease, %s", model.Duration(lease/3))
	}

	return interval
}

func leaseText(args arguments, lease time.Duration) string {
	if arg, ok := args["lease"]; ok {
		if d, err := time.ParseDuration(arg.Value); err == nil && d == lease {
			return arg.Value
		}
	}

	return model.Duration(lease)
}

// watermarks reads the pending tasks at which backpressure begins and ends:
// three quarters of the capacity, and half of that, where they are not given.
func (p *planner) watermarks(args arguments, capacity int) (high, low int) {
	fallback := max(1, capacity*3/4)
	high = p.number(args, "high", fallback, 1, maxTasks)
	if high > capacity {
		arg := args["high"]
		d := p.errorf(arg.KeyPos, "TQ138", "high=%s is more than capacity=%d: it would never be reached", arg.Value, capacity)
		if _, ok := args["capacity"]; !ok {
			d.Helpf("capacity is %d where the directive does not give it", capacity)
		}
		d.Helpf("leave high out for three quarters of the capacity, %d", fallback)
		high = fallback
	}

	low = p.number(args, "low", high/2, 0, maxTasks)
	if low >= high {
		arg := args["low"]
		d := p.errorf(arg.KeyPos, "TQ139", "low=%s must be less than high=%d", arg.Value, high)
		if _, ok := args["high"]; !ok {
			d.Helpf("high is three quarters of the capacity where the directive does not give it")
		}
		d.Helpf("leave low out for half of high, %d", high/2)
		low = high / 2
	}

	return high, low
}

// cooldown reads how long listeners are left alone after each signal.
func (p *planner) cooldown(args arguments) time.Duration {
	arg, given := args["cooldown"]
	if !given {
		return defaultCooldown
	}

	d, ok := p.duration(arg.ValuePos, "cooldown", arg.Value, 0)
	if !ok {
		return defaultCooldown
	}

	return d
}

// backoff reads none, const(delay) or exp(base,max,jitter%).
func (p *planner) backoff(args arguments) model.Backoff {
	arg, given := args["backoff"]
	if !given || arg.Value == "none" {
		return model.Backoff{}
	}

	shape, rest, open := strings.Cut(arg.Value, "(")
	inner, closed := strings.CutSuffix(rest, ")")
	parts := strings.Split(inner, ",")
	switch {
	case open && closed && shape == "const" && len(parts) == 1:
		return p.constBackoff(arg, parts[0])
	case open && closed && shape == "exp" && (len(parts) == 2 || len(parts) == 3):
		return p.expBackoff(arg, parts)
	}

	p.errorf(arg.ValuePos, "TQ124", "backoff=%s is not a backoff", arg.Value).
		Helpf("write none, const(2s) or exp(1s,1m,20%%): first delay, longest delay, jitter")

	return model.Backoff{}
}

func (p *planner) constBackoff(arg directive.Arg, delay string) model.Backoff {
	d, ok := p.delay(arg, delay)
	if !ok {
		return model.Backoff{}
	}

	return model.Backoff{Kind: model.ConstBackoff, Base: d, Max: d}
}

// delay reads one delay of a backoff.
func (p *planner) delay(arg directive.Arg, text string) (time.Duration, bool) {
	return p.duration(arg.ValuePos, "backoff", strings.TrimSpace(text), time.Nanosecond)
}

func (p *planner) expBackoff(arg directive.Arg, parts []string) model.Backoff {
	b := model.Backoff{Kind: model.ExpBackoff}
	base, baseOK := p.delay(arg, parts[0])
	longest, longestOK := p.delay(arg, parts[1])
	b.Base, b.Max = base, longest
	if baseOK && longestOK && base > longest {
		p.errorf(arg.ValuePos, "TQ125", "backoff=%s: the first delay is longer than the longest", arg.Value).
			Helpf("write exp(first,longest,jitter), as in exp(1s,1m,20%%)")
	}

	if len(parts) == 3 {
		b.JitterPercent = p.jitter(arg, strings.TrimSpace(parts[2]))
	}

	return b
}

func (p *planner) jitter(arg directive.Arg, text string) int {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.Atoi(number)
	if !percent || !digits(number) || err != nil || n > 100 {
		p.errorf(arg.ValuePos, "TQ126", "backoff=%s: %s is not a jitter", arg.Value, strconv.Quote(text)).
			Helpf("jitter is a whole percentage of the delay, from 0%% to 100%%")

		return 0
	}

	return n
}

// sharedStrings reads strings: how the strings of a document are kept.
func (p *planner) sharedStrings(args arguments) bool {
	arg, given := args["strings"]
	if given && arg.Value != "own" && arg.Value != "shared" {
		p.errorf(arg.ValuePos, "TQ147", "strings=%s is neither own nor shared", arg.Value).
			Helpf("write strings=shared to read all strings of a document as parts of one copy of it")
	}

	return arg.Value == "shared"
}

// queueName reads name, the queue's name in events, metrics and logs.
func (p *planner) queueName(args arguments, typeName string) string {
	arg, given := args["name"]
	if !given {
		return kebab(typeName)
	}

	if fault := nameFault(arg.Value); fault != "" {
		p.errorf(arg.ValuePos, "TQ127", "name=%s: a queue name %s", strconv.Quote(arg.Value), fault).
			Helpf("letters, digits, spaces inside, and . _ - / may stand in it: name=%s", kebab(typeName))
	}

	return arg.Value
}

// nameFault says what a queue name must not be, "" if name is fine.
func nameFault(name string) string {
	switch {
	case name == "":
		return "is not empty"
	case len(name) > maxNameLength:
		return "has at most " + strconv.Itoa(maxNameLength) + " bytes"
	case strings.TrimSpace(name) != name:
		return "does not begin or end with a space"
	}

	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-/ ", r) {
			return "has no " + strconv.QuoteRune(r) + " in it"
		}
	}

	return ""
}
