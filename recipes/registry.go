package recipes

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

var (
	registryLock sync.RWMutex
	registry     = map[string]*Entry{}
	cards        = map[string]string{}
)

// Register makes a recipe known under its name and returns it. It panics on a recipe that lacks a required field or
// whose name is taken: both are mistakes of the program, found as soon as it starts.
func Register[C any](r Recipe[C]) Recipe[C] {
	e, err := NewEntry(r)
	if err != nil {
		panic(err)
	}
	registryLock.Lock()
	defer registryLock.Unlock()
	if _, taken := registry[e.Name]; taken {
		panic(fmt.Errorf("two recipes are called %s", e.Name))
	}
	registry[e.Name] = e
	return r
}

// All returns the registered recipes by name. Import fovea/recipes/all to have every recipe of the project in it.
func All() []*Entry {
	registryLock.RLock()
	defer registryLock.RUnlock()
	entries := make([]*Entry, 0, len(registry))
	for _, name := range slices.Sorted(maps.Keys(registry)) {
		entries = append(entries, registry[name])
	}
	return entries
}

// Lookup finds a recipe by name. The error of an unknown name lists the nearest ones.
func Lookup(name string) (*Entry, error) {
	registryLock.RLock()
	defer registryLock.RUnlock()
	if e, ok := registry[name]; ok {
		return e, nil
	}
	names := slices.Sorted(maps.Keys(registry))
	if near := nearest(name, names); len(near) > 0 {
		return nil, fmt.Errorf("no recipe is called %q; did you mean %s? `fovea list` shows all %d", name, strings.Join(near, " or "), len(names))
	}
	return nil, fmt.Errorf("no recipe is called %q; `fovea list` shows all %d", name, len(names))
}

// SetCard keeps a recipe's package comment. The generated package fovea/recipes/all calls it, so that the program can
// show cards without its sources.
func SetCard(name, text string) {
	registryLock.Lock()
	defer registryLock.Unlock()
	cards[name] = text
}

// Card returns a recipe's package comment, empty if fovea/recipes/all is not imported.
func Card(name string) string {
	registryLock.RLock()
	defer registryLock.RUnlock()
	return cards[name]
}

// nearest returns at most three names that someone who typed word may have meant, the best first.
func nearest(word string, names []string) []string {
	type candidate struct {
		name string
		cost int
	}
	var near []candidate
	word = strings.ToLower(word)
	for _, name := range names {
		lower := strings.ToLower(name)
		cost := editDistance(word, lower)
		if word != "" && (strings.Contains(lower, word) || strings.Contains(word, lower)) {
			cost = min(cost, 1)
		}
		// A third of the letters wrong is a slip; more is another word.
		if cost <= max(1, len(name)/3) {
			near = append(near, candidate{name, cost})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return a.cost - b.cost })
	var best []string
	for _, c := range near[:min(3, len(near))] {
		best = append(best, c.name)
	}
	return best
}

// editDistance counts the insertions, deletions and replacements that turn a into b (Levenshtein 1966).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
