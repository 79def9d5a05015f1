package jsonwire

import "time"

// Seconds from 1970 to the first and after the last year RFC 3339 can name.
const (
	year0     = -62167219200
	year10000 = 253402300800
	secPerDay = 86400
)

// AppendTime appends t quoted, in RFC 3339 with nanoseconds as needed. A year
// or zone that RFC 3339 cannot name is a *MarshalerError.
func AppendTime(dst []byte, t time.Time) ([]byte, error) {
	sec := t.Unix()
	if t.Location() != time.UTC || sec < year0 || sec >= year10000 {
		return appendTimeSlow(dst, t)
	}
	days, rest := (sec-year0)/secPerDay, uint((sec-year0)%secPerDay)
	year, month, day := civil(uint(days))
	dst = append(dst, '"')
	dst = appendTwo(appendTwo(dst, year/100), year%100)
	dst = appendTwo(append(dst, '-'), month)
	dst = appendTwo(append(dst, '-'), day)
	dst = appendTwo(append(dst, 'T'), rest/3600)
	dst = appendTwo(append(dst, ':'), rest/60%60)
	dst = appendTwo(append(dst, ':'), rest%60)
	if ns := uint(t.Nanosecond()); ns != 0 {
		dst = append(dst, '.')
		dst = appendTwo(appendTwo(appendTwo(dst, ns/1e7), ns/1e5%100), ns/1e3%100)
		if ns%1000 != 0 {
			dst = append(appendTwo(dst, ns/10%100), byte('0'+ns%10))
		}
		dst = trimZeros(dst)
	}

	return append(dst, 'Z', '"'), nil
}

func appendTimeSlow(dst []byte, t time.Time) ([]byte, error) {
	text, err := t.AppendText(append(dst, '"')) // nil if it fails
	if err != nil {
		_, err = t.MarshalJSON() // says the same in its own words
		return dst, &MarshalerError{Type: "time.Time", Func: "MarshalJSON", Err: err}
	}

	return append(text, '"'), nil
}

const twoDigits = "00010203040506070809" +
	"1011121314151617181920212223242526272829" +
	"3031323334353637383940414243444546474849" +
	"5051525354555657585960616263646566676869" +
	"7071727374757677787980818283848586878889" +
	"90919293949596979899"

func appendTwo(dst []byte, n uint) []byte {
	return append(dst, twoDigits[2*n], twoDigits[2*n+1])
}

func trimZeros(dst []byte) []byte {
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}

	return dst
}

// Years are counted from March, so that the leap day is the last, in eras of
// 400 years, which all have as many days.
const (
	eraDays     = 146097
	fourYears   = 1461
	century     = 36524
	marchOfYear = 60 // days from 1 January to 1 March of the year 0
)

// civil returns the date of the day so many days after 1 January 0000.
func civil(days uint) (year, month, day uint) {
	days += eraDays - marchOfYear
	era, d := days/eraDays, days%eraDays
	y := (d - d/(fourYears-1) + d/century - d/(eraDays-1)) / 365
	d -= 365*y + y/4 - y/100
	m := (5*d + 2) / 153 // months from March on, 31 30 31 30 31 days long
	day = d - (153*m+2)/5 + 1
	year = 400*era + y - 400
	if m < 10 {
		return year, m + 3, day
	}

	return year + 1, m - 9, day
}

// ordinal is the inverse of civil.
func ordinal(year, month, day uint) int64 {
	year += 400
	m := month + 9
	if month > 2 {
		m = month - 3
	} else {
		year--
	}
	era, y := year/400, year%400
	days := era*eraDays + 365*y + y/4 - y/100 + (153*m+2)/5 + day - 1

	return int64(days) - eraDays + marchOfYear
}

// Time reads a time in RFC 3339. As with encoding/json, any other value but
// null ends the reading with an error of the time package.
func (r *Reader) Time(i int, p *time.Time) int {
	if i < len(r.src) && r.src[i] == '"' {
		if t, end := utc(r.src, i+1); end >= 0 {
			*p = t
			return end
		}
	}
	raw, end := r.Raw(i)
	if raw != nil {
		r.Check(end, p.UnmarshalJSON(raw))
	}

	return end
}

const timeDigits = len("2006-01-02T15:04:05")

// utc reads a time in UTC at i, inside the quotes, and returns the index after
// them. The end is negative if it is not of the plain form.
func utc(src []byte, i int) (t time.Time, end int) {
	if len(src)-i < timeDigits+len(`Z"`) {
		return t, invalid
	}
	s := src[i : i+timeDigits]
	if s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return t, invalid
	}
	year := 100*two(s, 0) + two(s, 2)
	month, day := two(s, 5), two(s, 8)
	hour, minute, sec := two(s, 11), two(s, 14), two(s, 17)
	if year > 9999 || month-1 >= 12 || day-1 >= daysIn(year, month) || hour > 23 || minute > 59 || sec > 59 {
		return t, invalid
	}
	ns, i := fraction(src, i+timeDigits)
	if i < 0 || i+1 >= len(src) || src[i] != 'Z' || src[i+1] != '"' {
		return t, invalid
	}
	unix := year0 + ordinal(year, month, day)*secPerDay + int64(3600*hour+60*minute+sec)

	return time.Unix(unix, ns).UTC(), i + 2
}

// two returns the number of two digits, more than 9999 if they are none.
func two(s []byte, i int) uint {
	hi, lo := uint(s[i]-'0'), uint(s[i+1]-'0')
	if hi > 9 || lo > 9 {
		return 1 << 20
	}

	return 10*hi + lo
}

func daysIn(year, month uint) uint {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}

	return 31
}

// fraction reads up to nine digits after a point at i, if there is one, as
// nanoseconds.
func fraction(src []byte, i int) (ns int64, end int) {
	if src[i] != '.' {
		return 0, i
	}
	start := i + 1
	for i = start; i < len(src) && src[i]-'0' <= 9; i++ {
		ns = ns*10 + int64(src[i]-'0')
	}
	n := i - start
	if n == 0 || n > 9 {
		return 0, invalid
	}
	for ; n < 9; n++ {
		ns *= 10
	}

	return ns, i
}
