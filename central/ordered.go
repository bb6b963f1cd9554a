package central

import (
	"cmp"
	"iter"
	"slices"
	"sort"
)

// ordered is a sorted list that grows and shrinks cheaply: a list of short lists. The zero value is empty, once compare is set. What two values compare by may not change while they are in it.
type ordered[V any] struct {
	compare func(a, b V) int
	parts   [][]V // none empty
	size    int
}

const mostInPart = 512

// place is where v is, or belongs.
func (o *ordered[V]) place(v V) (part, i int, found bool) {
	part = sort.Search(len(o.parts), func(n int) bool { return o.compare(o.parts[n][len(o.parts[n])-1], v) >= 0 })
	if part == len(o.parts) {
		return part, 0, false
	}
	i, found = slices.BinarySearchFunc(o.parts[part], v, o.compare)
	return part, i, found
}

// put adds v, or puts it in the place of its equal.
func (o *ordered[V]) put(v V) {
	part, i, found := o.place(v)
	if found {
		o.parts[part][i] = v
		return
	}
	o.size++
	if part == len(o.parts) { // the last of all
		if part == 0 || len(o.parts[part-1]) >= mostInPart {
			o.parts = append(o.parts, []V{v})
			return
		}
		part--
		i = len(o.parts[part])
	}
	p := slices.Insert(o.parts[part], i, v)
	if o.parts[part] = p; len(p) > mostInPart {
		half := len(p) / 2
		o.parts = slices.Insert(o.parts, part+1, slices.Clone(p[half:]))
		o.parts[part] = slices.Delete(p, half, len(p))
	}
}

func (o *ordered[V]) remove(v V) {
	part, i, found := o.place(v)
	if !found {
		return
	}
	o.size--
	if o.parts[part] = slices.Delete(o.parts[part], i, i+1); len(o.parts[part]) == 0 {
		o.parts = slices.Delete(o.parts, part, part+1)
	}
}

// from gives all but the first n, in order.
func (o *ordered[V]) from(n int) iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, part := range o.parts {
			if n >= len(part) {
				n -= len(part)
				continue
			}
			for _, v := range part[n:] {
				if !yield(v) {
					return
				}
			}
			n = 0
		}
	}
}

func (o *ordered[V]) all() iter.Seq[V] { return o.from(0) }

// upTo counts those that do not come after v.
func (o *ordered[V]) upTo(v V) (n int) {
	part, i, found := o.place(v)
	for _, p := range o.parts[:part] {
		n += len(p)
	}
	if found {
		i++
	}
	return n + i
}

// dated is something at a moment, in milliseconds of the epoch.
type dated[V any] struct {
	at int64
	id string
	of V
}

func byDate[V any]() ordered[dated[V]] {
	return ordered[dated[V]]{compare: func(a, b dated[V]) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id)) }}
}
