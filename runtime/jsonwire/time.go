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
	if t == (time.Time{}) { // one that is not set
		return append(dst, `"0001-01-01T00:00:00Z"`...), nil
	}
	sec := t.Unix()
	if t.Location() != time.UTC || sec < year0 || sec >= year10000 {
		return appendTimeSlow(dst, t)
	}
	days, rest := uint32((sec-year0)/secPerDay), uint32((sec-year0)%secPerDay)
	year, month, day := civil(days)
	start := len(dst)
	dst = append(dst, `"0000-00-00T00:00:00`...)
	at := (*[len(`"0000-00-00T00:00:00`)]byte)(dst[start:])
	at[1], at[2] = pair(year / 100)
	at[3], at[4] = pair(year % 100)
	at[6], at[7] = pair(month)
	at[9], at[10] = pair(day)
	at[12], at[13] = pair(rest / 3600)
	at[15], at[16] = pair(rest / 60 % 60)
	at[18], at[19] = pair(rest % 60)
	if ns := uint32(t.Nanosecond()); ns != 0 {
		dst = appendFraction(dst, ns)
	}

	return append(dst, 'Z', '"'), nil
}

// appendFraction appends a point and as many digits as ns needs, up to nine.
func appendFraction(dst []byte, ns uint32) []byte {
	start := len(dst)
	dst = append(dst, ".000000000"...)
	at := (*[len(".000000000")]byte)(dst[start:])
	high, low := ns/1e5, ns%1e5
	at[1], at[2] = pair(high / 100)
	at[3], at[4] = pair(high % 100)
	at[5], at[6] = pair(low / 1000)
	at[7], at[8] = pair(low / 10 % 100)
	at[9] = byte('0' + low%10)

	return trimZeros(dst)
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

// pair are the digits of a number below 100.
func pair(n uint32) (tens, ones byte) { return twoDigits[2*n], twoDigits[2*n+1] }

func appendTwo(dst []byte, n uint) []byte {
	tens, ones := pair(uint32(n))

	return append(dst, tens, ones)
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
	marchOfYear = 60 // days from 1 January to 1 March of the year 0
)

// civil returns the date of the day so many days after 1 January 0000. It is
// the algorithm of Neri and Schneider, "Euclidean affine functions and their
// application to calendar algorithms".
func civil(days uint32) (year, month, day uint32) {
	quarters := 4*(days+eraDays-marchOfYear) + 3 // of days: a century has eraDays of them, a year fourYears
	c := quarters / eraDays
	y := uint64(quarters%eraDays|3) * 2939745 // 1<<32 / fourYears: the year, and how much of it has passed
	d := uint32(y) / (4 * 2939745)
	m := 2141*d + 197913 // 1<<16 for each month, 2141 for each day of it
	year, month, day = 100*c+uint32(y>>32)-400, m>>16, m&(1<<16-1)/2141+1
	if month > 12 {
		return year + 1, month - 12, day
	}

	return year, month, day
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
