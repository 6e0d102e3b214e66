package client

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // for decoding
	_ "image/png"
	"maps"
	"math"
	"slices"
	"strings"
)

// Tags that say what a check does with a cell. Those that begin with nbval are pytest's plug-in of that name.
const (
	TagIgnoreOutput  = "nbval-ignore-output"    // it must run; what it puts out may change
	TagNbvalSkip     = "nbval-skip"             // the same as TagSkip
	TagNbvalMayFail  = "nbval-raises-exception" // the same as TagMayFail
	commentIgnoreOut = "NBVAL_IGNORE_OUTPUT"    // in a comment: the same as TagIgnoreOutput
)

// A Check says how the outputs of a run are compared with those that the notebook held before. The zero value is useful:
// it is strict but for what every run changes (see Sanitizer), and for pictures that look the same.
type Check struct {
	Sanitize *Sanitizer // what to replace in texts; nil: the rules that are built in
	// Numbers is how far two numbers in texts may differ, as a share of the larger; 0: not at all.
	Numbers float64
	// Pictures is the share of a picture's blocks of 8×8 pixels that may look different; 0: 1 %. From 1 on only size
	// and type count. A negative one wants every pixel to be the same.
	Pictures float64
}

const (
	defaultPictures = 0.01
	blockSize       = 8
	visible         = 0.1 // of the range of a colour channel
)

// compare returns a unified diff of what a cell had put out and what it puts out now; "" when they agree.
// What goes to standard error is not compared: notices and progress are no results.
func (k *Check) compare(stored, now []*output) string {
	return diff(k.lines(stored), k.lines(now), k.same)
}

// An outputLine is one line of an output in the form that is compared and shown.
type outputLine struct {
	text    string // as it is shown
	key     string // what must be equal
	picture image.Image
}

// lines writes outputs as lines, in an order that does not depend on how the text came in pieces.
func (k *Check) lines(outputs []*output) (list []outputLine) {
	add := func(head, text string) {
		list = append(list, outputLine{text: "[" + head + "]", key: head})
		for line := range strings.Lines(strings.TrimRight(text, " \n")) {
			line = strings.TrimRight(stripANSI(line), " \t\r\n")
			list = append(list, outputLine{text: line, key: k.sanitizer().Clean(line)})
		}
	}
	// As a terminal would have it: other frontends store every state of a bar that was drawn over itself.
	printed := &lineBuffer{}
	flush := func() {
		if s := printed.String(); s != "" {
			add("stdout", s)
		}
		printed = &lineBuffer{}
	}
	for _, o := range outputs {
		switch o.doc["output_type"] {
		case "stream":
			if o.doc["name"] != "stderr" {
				s, _ := multiline(o.doc["text"])
				printed.write(s)
			}
		case "error":
			flush()
			add("error", fmt.Sprintf("%v: %v", o.doc["ename"], o.doc["evalue"])) // the trace names lines that move
		default:
			flush()
			data := object(o.doc, "data")
			for _, mime := range slices.Sorted(maps.Keys(data)) {
				if strings.HasPrefix(mime, "application/vnd.jupyter.widget-") {
					continue // names a model that each run makes anew
				}
				if p, line, ok := pictureOf(mime, data[mime]); ok {
					list = append(list, outputLine{text: line, key: line, picture: p})
					continue
				}
				add(mime, textOf(data[mime]))
			}
		}
	}
	flush()
	return list
}

func (k *Check) sanitizer() *Sanitizer {
	if k.Sanitize == nil {
		return builtInSanitizer
	}
	return k.Sanitize
}

// textOf is a value of a MIME bundle as text.
func textOf(v any) string {
	if s, ok := multiline(v); ok {
		return s
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(v); err != nil { // it came from JSON, or went into it
		return fmt.Sprint(v)
	}
	return out.String()
}

// pictureOf decodes a picture of points. One that cannot be decoded is text, which must be equal.
func pictureOf(mime string, v any) (p image.Image, line string, ok bool) {
	if mime != "image/png" && mime != "image/jpeg" {
		return nil, "", false
	}
	text, _ := multiline(v)
	data, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(text, "\n", ""))
	if err != nil {
		return nil, "", false
	}
	p, _, err = image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, "", false
	}
	size := p.Bounds().Size()
	return p, fmt.Sprintf("[%s] %d×%d", mime, size.X, size.Y), true
}

func (k *Check) same(a, b outputLine) bool {
	if a.picture != nil && b.picture != nil {
		return a.key == b.key && k.samePicture(a.picture, b.picture)
	}
	return a.key == b.key || k.Numbers > 0 && sameNumbers(a.key, b.key, k.Numbers)
}

// samePicture compares the mean colours of blocks: edges that are smoothed in another way do not count, a curve that
// runs elsewhere does. Both have the same size.
func (k *Check) samePicture(a, b image.Image) bool {
	allowed := k.Pictures
	if allowed >= 1 {
		return true
	}
	if allowed == 0 {
		allowed = defaultPictures
	}
	size, threshold := blockSize, visible
	if allowed < 0 {
		size, threshold, allowed = 1, 0, 0
	}
	bounds, shift := a.Bounds(), b.Bounds().Min.Sub(a.Bounds().Min)
	different, blocks := 0, 0
	for y := bounds.Min.Y; y < bounds.Max.Y; y += size {
		for x := bounds.Min.X; x < bounds.Max.X; x += size {
			block := image.Rect(x, y, x+size, y+size).Intersect(bounds)
			meanA, meanB := meanColour(a, block), meanColour(b, block.Add(shift))
			blocks++
			for i := range meanA {
				if math.Abs(meanA[i]-meanB[i]) > threshold {
					different++
					break
				}
			}
		}
	}
	return float64(different) <= allowed*float64(blocks)
}

// meanColour is the mean of red, green, blue and opacity over part of a picture, each from 0 to 1.
func meanColour(p image.Image, r image.Rectangle) (mean [4]float64) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c := color.RGBA64Model.Convert(p.At(x, y)).(color.RGBA64)
			for i, v := range [4]uint16{c.R, c.G, c.B, c.A} {
				mean[i] += float64(v) / math.MaxUint16
			}
		}
	}
	for i := range mean {
		mean[i] /= float64(r.Dx() * r.Dy())
	}
	return mean
}
