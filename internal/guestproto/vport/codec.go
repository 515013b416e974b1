package vport

import "encoding/binary"

// A Message can be written and read. Fields calls a function of this file for
// each field, in the same order for both directions.
//
// An encoder that uses reflection would be less code, but an emulated guest has
// to translate all of it, which takes longer than the probe that is reported.
type Message interface{ Fields(*Codec) }

// A Codec encodes the fields of a message or decodes them.
type Codec struct {
	buf     []byte // the bytes written so far, or those left to read
	reading bool   // it decodes
	bad     bool   // decoding has failed
}

// encode appends an encoded message to buf.
func encode(buf []byte, msg Message) []byte {
	c := Codec{buf: buf}
	msg.Fields(&c)
	return c.buf
}

// decode decodes a message and reports whether the bytes are one, without a
// rest. Every message has one encoding only: encoding it again gives buf.
func decode(buf []byte, msg Message) bool {
	c := Codec{buf: buf, reading: true}
	msg.Fields(&c)
	return !c.bad && len(c.buf) == 0
}

// Reading reports whether the codec decodes.
func (c *Codec) Reading() bool { return c.reading }

// Demand fails decoding unless ok. It has no effect on encoding.
func (c *Codec) Demand(ok bool) { c.bad = c.bad || !ok }

// length encodes or decodes a length and checks it against the bytes that
// remain: each element takes at least one.
func (c *Codec) length(n int) int {
	v := c.number(uint64(n))
	if c.reading {
		if c.Demand(v <= uint64(len(c.buf))); c.bad {
			return 0
		}
	}
	return int(v)
}

// Number encodes or decodes an integer as a varint; a negative one takes ten
// bytes. A value that T cannot hold fails decoding.
func Number[T ~int | ~int64 | ~uint64 | ~uint8](c *Codec, field *T) {
	v := c.number(uint64(*field))
	*field = T(v)
	c.Demand(uint64(T(v)) == v)
}

// number is the part of Number that does not depend on the type, so that it is
// translated once.
func (c *Codec) number(v uint64) uint64 {
	if !c.reading {
		c.buf = binary.AppendUvarint(c.buf, v)
		return v
	}
	v, size := binary.Uvarint(c.buf)
	// A last byte of zero pads a number that has a shorter encoding.
	if c.Demand(size == 1 || size > 1 && c.buf[size-1] != 0); c.bad {
		return 0
	}
	c.buf = c.buf[size:]
	return v
}

// Bool encodes or decodes a bool.
func Bool(c *Codec, field *bool) {
	var v uint8
	if *field {
		v = 1
	}
	Number(c, &v)
	c.Demand(v <= 1)
	*field = v == 1
}

// Text encodes or decodes a string, which need not be UTF-8.
func Text[T ~string](c *Codec, field *T) {
	n := c.length(len(*field))
	if !c.reading {
		c.buf = append(c.buf, *field...)
		return
	}
	*field = T(c.buf[:n])
	c.buf = c.buf[n:]
}

// Bytes encodes or decodes a byte slice; an empty one is decoded as nil.
func Bytes(c *Codec, field *[]byte) {
	text := string(*field)
	if Text(c, &text); c.reading {
		*field = append([]byte(nil), text...)
	}
}

// List encodes or decodes a slice, each element by the function; an empty one is
// decoded as nil.
func List[T any](c *Codec, field *[]T, each func(*Codec, *T)) {
	n := c.length(len(*field))
	if !c.reading {
		for i := range *field {
			each(c, &(*field)[i])
		}
		return
	}
	*field = nil
	for range n {
		var element T
		if each(c, &element); c.bad {
			return // the slice has grown by what was decoded only
		}
		*field = append(*field, element)
	}
}

// Present encodes or decodes what a pointer points to. It must not be nil when
// it is encoded.
func Present[T any](c *Codec, field **T, fields func(*Codec, *T)) {
	if c.reading {
		*field = new(T)
	}
	fields(c, *field)
}
