// Package tfevents writes event files that TensorBoard shows.
//
// A file is a sequence of records: the length as 8 bytes, its checksum, the content, its checksum; each content is an Event
// message of TensorFlow (tensorflow/core/util/event.proto) in the encoding of protocol buffers. Of it only scalars are
// needed here, so the few fields are written by hand rather than by a library.
package tfevents

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"
)

// A Writer appends scalars to an event file.
type Writer struct{ file *os.File }

// Create begins a new event file in a folder, under the name that TensorBoard looks for. After says how many steps were done
// before: what older files of the folder have of later ones, which an interrupted training measured in vain, is not shown.
func Create(dir string, after int) (*Writer, error) {
	now := time.Now()
	// A second file of the same second, of a run that was resumed, needs another name.
	for n := 0; ; n++ {
		path := filepath.Join(dir, fmt.Sprintf("events.out.tfevents.%010d.fovea.%d.%d", now.Unix(), os.Getpid(), n))
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		w := &Writer{file}
		version := appendString(nil, 3, "brain.Event:2") // the first event must say so
		if err := w.write(appendTime(now), version); err != nil {
			file.Close()
			return nil, err
		}
		if after > 0 {
			begin := binary.AppendUvarint(append(appendTime(now), 2<<3), uint64(after+1)) // Event.step
			start := appendBytes(nil, 7, []byte{1 << 3, 1})                               // Event.session_log.status: START
			if err := w.write(begin, start); err != nil {
				file.Close()
				return nil, err
			}
		}
		return w, nil
	}
}

// Scalar writes one value at a step. Names with a common beginning, "loss/train" and "loss/eval", share a group.
func (w *Writer) Scalar(name string, step int, value float64, when time.Time) error {
	if w == nil {
		return nil
	}
	simple := appendString(nil, 1, name)                                                                // Summary.Value.tag
	simple = binary.LittleEndian.AppendUint32(append(simple, 2<<3|5), math.Float32bits(float32(value))) // .simple_value
	summary := appendBytes(nil, 1, simple)                                                              // Summary.value
	event := appendTime(when)
	event = binary.AppendUvarint(append(event, 2<<3), uint64(step)) // Event.step
	return w.write(event, appendBytes(nil, 5, summary))             // Event.summary
}

// Close closes the file.
func (w *Writer) Close() error {
	if w == nil {
		return nil
	}
	return w.file.Close()
}

// write puts one record into the file in a single write, so that a reader never sees half of one for long.
func (w *Writer) write(parts ...[]byte) error {
	var event []byte
	for _, p := range parts {
		event = append(event, p...)
	}
	record := binary.LittleEndian.AppendUint64(nil, uint64(len(event)))
	record = binary.LittleEndian.AppendUint32(record, maskedSum(record))
	record = append(record, event...)
	record = binary.LittleEndian.AppendUint32(record, maskedSum(event))
	_, err := w.file.Write(record)
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedSum is the CRC-32C turned by 15 bits plus a constant, so that a sum of data that holds sums is not one of them.
func maskedSum(data []byte) uint32 {
	sum := crc32.Checksum(data, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}

// appendTime begins an event with its wall time, in seconds (field 1, a double).
func appendTime(t time.Time) []byte {
	return binary.LittleEndian.AppendUint64([]byte{1<<3 | 1}, math.Float64bits(float64(t.UnixNano())/1e9))
}

func appendBytes(to []byte, field int, value []byte) []byte {
	to = binary.AppendUvarint(to, uint64(field)<<3|2)
	return append(binary.AppendUvarint(to, uint64(len(value))), value...)
}

func appendString(to []byte, field int, value string) []byte {
	return appendBytes(to, field, []byte(value))
}

// A Scalar is a value read back from an event file.
type Scalar struct {
	Name  string
	Step  int
	Value float64
}

// Read returns the scalars of an event file, for tests and for tables. A last record that was cut short is left out.
func Read(r io.Reader) ([]Scalar, error) {
	var all []Scalar
	for n := 0; ; n++ {
		var head [12]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return all, nil
			}
			return nil, err
		}
		length := binary.LittleEndian.Uint64(head[:8])
		if binary.LittleEndian.Uint32(head[8:]) != maskedSum(head[:8]) || length > 1<<20 {
			return nil, fmt.Errorf("record %d has a damaged length", n)
		}
		body := make([]byte, length+4)
		if _, err := io.ReadFull(r, body); err != nil {
			return all, nil
		}
		event, sum := body[:length], binary.LittleEndian.Uint32(body[length:])
		if sum != maskedSum(event) {
			return nil, fmt.Errorf("record %d is damaged", n)
		}
		s, ok, err := scalar(event)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", n, err)
		}
		if ok {
			all = append(all, s)
		}
	}
}

// scalar takes an event apart.
func scalar(event []byte) (s Scalar, ok bool, err error) {
	err = fields(event, func(field int, number uint64, value []byte) error {
		switch field {
		case 2:
			s.Step = int(number)
		case 5:
			return fields(value, func(field int, _ uint64, value []byte) error {
				return fields(value, func(field int, number uint64, value []byte) error {
					switch field {
					case 1:
						s.Name = string(value)
					case 2:
						s.Value, ok = float64(math.Float32frombits(uint32(number))), true
					}
					return nil
				})
			})
		}
		return nil
	})
	return s, ok, err
}

// fields gives use each field of a message.
func fields(message []byte, use func(field int, number uint64, value []byte) error) error {
	short := errors.New("a message is cut short")
	for len(message) > 0 {
		key, n := binary.Uvarint(message)
		if n <= 0 {
			return short
		}
		message = message[n:]
		var number uint64
		var value []byte
		switch width := map[uint64]int{1: 8, 5: 4}[key&7]; {
		case key&7 == 0:
			if number, n = binary.Uvarint(message); n <= 0 {
				return short
			}
			message = message[n:]
		case key&7 == 2:
			length, n := binary.Uvarint(message)
			if n <= 0 || length > uint64(len(message)-n) {
				return short
			}
			value, message = message[n:n+int(length)], message[n+int(length):]
		case width == 0 || width > len(message):
			return short
		case width == 8:
			number, message = binary.LittleEndian.Uint64(message), message[8:]
		default:
			number, message = uint64(binary.LittleEndian.Uint32(message)), message[4:]
		}
		if err := use(int(key>>3), number, value); err != nil {
			return err
		}
	}
	return nil
}
