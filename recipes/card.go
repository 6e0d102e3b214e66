package recipes

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// CardKeys are the lines that every card must have, in this order.
var CardKeys = []string{"Paper", "Claim", "Here", "Differs"}

// CardLine returns what stands after "key:" in a card. A line without a key of its own goes on with the one before.
func CardLine(card, key string) string {
	var parts []string
	found := false
	for line := range strings.Lines(card) {
		line = strings.TrimSpace(line)
		name, rest, ok := strings.Cut(line, ":")
		isKey := false
		for _, k := range CardKeys {
			isKey = isKey || ok && name == k
		}
		switch {
		case isKey && name == key:
			found = true
			parts = append(parts, strings.TrimSpace(rest))
		case isKey:
			found = false
		case found && line != "":
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, " ")
}

// ReadResult reads a result.json.
func ReadResult(path string) (*Result, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r Result
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%s is no result: %w", path, err)
	}
	return &r, nil
}
