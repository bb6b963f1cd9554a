package protocol

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// fields reads or writes the "field value" lines of a document. Each document lists its fields once, in fields(), and that one list serves
// both ways, so that what is written is what is read. The first error sticks.
type fields struct {
	reading bool
	out     strings.Builder
	in      map[string][]string
	err     error
}

const maxValue = 1024 // characters in one value

// once is a field that must be there exactly once.
func once[T any](f *fields, name string, v *T, parse func(string) (T, error), format func(T) string) {
	list := []T{*v}
	if f.reading {
		list = nil
	}
	many(f, name, &list, parse, format)
	if f.err == nil && len(list) != 1 {
		f.err = fmt.Errorf("field %s: given %d times, must be given once", name, len(list))
	}
	if f.reading && f.err == nil {
		*v = list[0]
	}
}

// optional is a field that may be left out; absent is the zero value.
func optional[T comparable](f *fields, name string, v *T, parse func(string) (T, error), format func(T) string) {
	var zero T
	var list []T
	if !f.reading && *v != zero {
		list = []T{*v}
	}
	many(f, name, &list, parse, format)
	if f.err == nil && len(list) > 1 {
		f.err = fmt.Errorf("field %s: given %d times, at most once", name, len(list))
	}
	if f.reading && f.err == nil && len(list) == 1 {
		*v = list[0]
	}
}

// many is a field given any number of times; the order is kept.
func many[T any](f *fields, name string, list *[]T, parse func(string) (T, error), format func(T) string) {
	if f.err != nil {
		return
	}
	if !f.reading {
		for _, v := range *list {
			s := format(v)
			if err := validValue(s); err != nil {
				f.err = fmt.Errorf("field %s: %w", name, err)
				return
			}
			f.out.WriteString(name + " " + s + "\n")
		}
		return
	}
	for _, s := range f.in[name] {
		v, err := parse(s)
		if err == nil && format(v) != s {
			err = fmt.Errorf("%q is not in its one written form", s)
		}
		if err != nil {
			f.err = fmt.Errorf("field %s: %w", name, err)
			return
		}
		*list = append(*list, v)
	}
	delete(f.in, name)
}

func validValue(s string) error {
	switch {
	case s == "" || strings.TrimSpace(s) != s:
		return fmt.Errorf("value %q: empty, or spaces around it", s)
	case !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxValue:
		return fmt.Errorf("value of %d bytes: not UTF-8, or over %d characters", len(s), maxValue)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("value %q: control character", s)
	}
	return nil
}

// readFields takes the lines apart. The first line has been taken off.
func readFields(lines string) (*fields, error) {
	f := &fields{reading: true, in: map[string][]string{}}
	if !strings.HasSuffix(lines, "\n") {
		return nil, errors.New("last line not ended")
	}
	for i, line := range strings.Split(strings.TrimSuffix(lines, "\n"), "\n") {
		name, value, ok := strings.Cut(line, " ")
		if !ok || name == "" {
			return nil, fmt.Errorf("line %d: %q is not \"field value\"", i+2, line)
		}
		if err := validValue(value); err != nil {
			return nil, fmt.Errorf("line %d: field %s: %w", i+2, name, err)
		}
		f.in[name] = append(f.in[name], value)
	}
	return f, nil
}

// finish reports the first error, or a field nobody asked for.
func (f *fields) finish() error {
	if f.err != nil {
		return f.err
	}
	if len(f.in) > 0 {
		names := make([]string, 0, len(f.in))
		for n := range f.in {
			names = append(names, n)
		}
		slices.Sort(names)
		return fmt.Errorf("unknown field %s", strings.Join(names, ", "))
	}
	return nil
}

// The forms that values take.

func idField[T ~string](f *fields, name string, v *T) { once(f, name, v, parseID[T], formatString[T]) }

func parseID[T ~string](s string) (T, error)     { return T(s), ValidID(T(s)) }
func parseString[T ~string](s string) (T, error) { return T(s), nil }
func formatString[T ~string](v T) string         { return string(v) }

func timeField(f *fields, name string, v *Time) { once(f, name, v, ParseTime, Time.String) }

func intervalField(f *fields, name string, v *Interval) {
	once(f, name, v, ParseInterval, Interval.String)
}

func windowField(f *fields, name string, v *Window) { once(f, name, v, ParseWindow, Window.String) }

func numberField(f *fields, name string, v *uint64) {
	once(f, name, v, func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 53) }, func(n uint64) string { return strconv.FormatUint(n, 10) })
}

// oneOf refuses every value but those listed.
func oneOf[T ~string](allowed ...T) func(string) (T, error) {
	return func(s string) (T, error) {
		if !slices.Contains(allowed, T(s)) {
			return "", fmt.Errorf("%q is not one of %v", s, allowed)
		}
		return T(s), nil
	}
}
