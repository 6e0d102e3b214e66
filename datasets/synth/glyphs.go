package synth

// GlyphSize is the height and width of a Glyph in pixels.
const GlyphSize = 7

// A Glyph is a pattern of dots: '#' is set. Experiments compose images of them when shapes must be small, alike in weight and
// exactly known.
type Glyph struct {
	Name string
	Dots [GlyphSize]string
}

// Glyphs are six patterns that a filter or two of 3×3 tell apart.
var Glyphs = []Glyph{
	{"plus", [GlyphSize]string{"...#...", "...#...", "...#...", "#######", "...#...", "...#...", "...#..."}},
	{"cross", [GlyphSize]string{"#.....#", ".#...#.", "..#.#..", "...#...", "..#.#..", ".#...#.", "#.....#"}},
	{"box", [GlyphSize]string{"#######", "#.....#", "#.....#", "#.....#", "#.....#", "#.....#", "#######"}},
	{"disk", [GlyphSize]string{"..###..", ".#####.", "#######", "#######", "#######", ".#####.", "..###.."}},
	{"bars", [GlyphSize]string{"#######", ".......", "#######", ".......", "#######", ".......", "#######"}},
	{"posts", [GlyphSize]string{"#.#.#.#", "#.#.#.#", "#.#.#.#", "#.#.#.#", "#.#.#.#", "#.#.#.#", "#.#.#.#"}},
}

// GlyphNames are the names of Glyphs, in their order.
func GlyphNames() (names []string) {
	for _, g := range Glyphs {
		names = append(names, g.Name)
	}
	return names
}

// Dot calls f for each dot that is set, with its column and row.
func (g Glyph) Dot(f func(x, y int)) {
	for y, row := range g.Dots {
		for x, dot := range row {
			if dot == '#' {
				f(x, y)
			}
		}
	}
}
