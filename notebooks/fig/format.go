package fig

import (
	"math"
	"strconv"
	"strings"
)

// number writes v with three digits, without a needless exponent and with a true minus sign.
func number(v float64) string {
	if v == 0 {
		return "0"
	}
	if a := math.Abs(v); a >= 1e-3 && a < 1e5 {
		digits := max(0, 2-int(math.Floor(math.Log10(a))))
		return strings.Replace(trimZeros(formatF(v, digits)), "-", "−", 1)
	}
	return strings.Replace(trimZeros(formatG(v, 3)), "-", "−", 1)
}

// number4 is number with four digits and a plain range.
func number4(v float64) string { return strings.Replace(trimZeros(formatG(v, 4)), "-", "−", 1) }

func formatF(v float64, decimals int) string { return strconv.FormatFloat(v, 'f', decimals, 64) }

func formatG(v float64, digits int) string { return strconv.FormatFloat(v, 'g', digits, 64) }

// trimZeros removes zeros after the decimal point, and those of an exponent: 0.50 → 0.5, 1e-07 → 1e-7.
func trimZeros(s string) string {
	mantissa, exponent, hasExponent := strings.Cut(s, "e")
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	if !hasExponent {
		return mantissa
	}
	sign := ""
	if exponent != "" && exponent[0] == '-' {
		sign = "-"
	}
	return mantissa + "e" + sign + strings.TrimLeft(strings.TrimLeft(exponent, "+-"), "0")
}

// plural writes a count before nouns, a word that ends in s.
func plural(n int, nouns string) string {
	if n == 1 {
		nouns = strings.TrimSuffix(nouns, "s")
	}
	return strconv.Itoa(n) + " " + nouns
}

var sparks = []rune("▁▂▃▄▅▆▇█")

// sparkline draws y as width characters of text; a blank stands where nothing is finite.
func sparkline(y []float64, width int) string {
	low, high := finiteLimits(y)
	if !(high > low) {
		return ""
	}
	width = min(width, len(y))
	var out []rune
	for b := range width {
		sum, n := 0.0, 0
		for _, v := range y[b*len(y)/width : (b+1)*len(y)/width] {
			if finite(v) {
				sum, n = sum+v, n+1
			}
		}
		if n == 0 {
			out = append(out, ' ')
			continue
		}
		level := (sum/float64(n) - low) / (high - low) * float64(len(sparks)-1)
		out = append(out, sparks[int(math.Round(level))])
	}
	return string(out)
}

// finiteLimits returns the least and greatest finite values: +Inf, −Inf when there is none.
func finiteLimits(values ...[]float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, vs := range values {
		for _, v := range vs {
			if finite(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	return low, high
}
