// Package pairs chooses few combinations of arguments, such that each pair of
// values is in one of them.
package pairs

// Cover returns combinations of values: sizes[i] values are possible at place i,
// numbered from 0. Each pair of values of two places is in a combination. The
// first combination is all zeros. Each further one has the first pair that is
// still open, and at each place the value with the most open pairs. Equal sizes
// give equal combinations.
func Cover(sizes ...int) (combinations [][]int) {
	c := newCover(sizes)
	combinations = append(combinations, c.take(make([]int, len(sizes))))
	for at := range c.open {
		if c.open[at] {
			combinations = append(combinations, c.take(c.next(at)))
		}
	}
	return combinations
}

// A cover is the pairs of values that are in no combination yet.
type cover struct {
	sizes []int
	open  []bool  // by index
	list  []pair  // by index
	first [][]int // the index of the pair of the values 0 of places i and j < i
}

// A pair is the value a at place i and the value b at place j < i.
type pair struct{ i, a, j, b int }

func newCover(sizes []int) *cover {
	c := &cover{sizes: sizes, first: make([][]int, len(sizes))}
	for i := range sizes {
		for j := range i {
			c.first[i] = append(c.first[i], len(c.list))
			for a := range sizes[i] {
				for b := range sizes[j] {
					c.list = append(c.list, pair{i, a, j, b})
				}
			}
		}
	}
	c.open = make([]bool, len(c.list))
	for at := range c.open {
		c.open[at] = true
	}
	return c
}

// index is where the pair of two values is in the list.
func (c *cover) index(i, a, j, b int) int {
	if j > i {
		i, a, j, b = j, b, i, a
	}
	return c.first[i][j] + a*c.sizes[j] + b
}

// take closes the pairs of a combination.
func (c *cover) take(combination []int) []int {
	for i, a := range combination {
		for j, b := range combination[:i] {
			c.open[c.index(i, a, j, b)] = false
		}
	}
	return combination
}

// next is a combination with the open pair, and value by value as many others as
// possible.
func (c *cover) next(at int) []int {
	combination := make([]int, len(c.sizes))
	for i := range combination {
		combination[i] = -1
	}
	p := c.list[at]
	combination[p.i], combination[p.j] = p.a, p.b
	for i := range combination {
		if combination[i] >= 0 {
			continue
		}
		best := -1
		for a := range c.sizes[i] {
			n := 0
			for j, b := range combination {
				if b >= 0 && j != i && c.open[c.index(i, a, j, b)] {
					n++
				}
			}
			if n > best {
				best, combination[i] = n, a
			}
		}
	}
	return combination
}
